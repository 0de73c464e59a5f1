use cache_core::cached;

struct User {
    id: u64,
}

#[cached(ttl = 5m, invalidate_on = User { .. })]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m, invalidate_on = |id| id + 1)]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m)]
struct User {
    id: u64,
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m, tiers = redis, weight = |value| 8)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

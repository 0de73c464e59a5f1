use cache_core::cached;

#[cached(ttl = 5m, codec = json, tiers = memory)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

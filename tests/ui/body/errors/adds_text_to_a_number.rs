#[cache_core::cached(ttl = 5m)]
async fn sum(n: u64) -> u64 {
    n + "1"
}

fn main() {}

#[cache_core::cached(ttl = 5m)]
async fn sum(n: u64) -> u64 {
    let sum = 0;
    sum += n;
    sum
}

fn main() {}

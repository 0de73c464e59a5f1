use cache_core::cached;

#[cached(ttl = 5m)]
async fn factorial(n: u64) -> u64 {
    if n == 0 { 1 } else { n * factorial(n - 1).await }
}

fn main() {}

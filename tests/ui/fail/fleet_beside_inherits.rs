use cache_core::cached;

#[cached(ttl = 5m, inherits, fleet)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

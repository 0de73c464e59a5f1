use cache_core::cached;

#[cached(ttl = 1h 30m)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

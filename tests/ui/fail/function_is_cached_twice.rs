use cache_core::cached;

#[cached(ttl = 5m)]
#[cached(ttl = 1m)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m, max_concurrent_loads = 0)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m, max_concurrent_loads = 4294967296)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

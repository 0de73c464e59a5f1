use cache_core::cached;

#[cached(ttl = 5m)]
async fn mapped<F: Fn(u64) -> u64 + Send + Sync>(map: F, n: u64) -> u64 {
    map(n)
}

fn main() {}

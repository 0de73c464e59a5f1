use cache_core::{CachedCall, NotCached, cached};

#[cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    n * n
}

async fn show() -> Result<u64, NotCached> {
    square(7).explain().await
}

fn main() {}

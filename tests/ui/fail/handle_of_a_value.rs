use cache_core::{CachedCall, cached};

#[cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    n * n
}

async fn forget() {
    let _ = square(7).await.evict();
}

fn main() {}

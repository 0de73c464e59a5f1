use cache_core::{CachedCall, cached};

#[cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    n * n
}

async fn show() -> u64 {
    square(7).peek().await
}

fn main() {}

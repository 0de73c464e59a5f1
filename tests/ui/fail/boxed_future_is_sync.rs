use std::pin::Pin;

use cache_core::cached;

#[cached(ttl = 5m)]
fn square(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send + Sync>> {
    Box::pin(async move { n * n })
}

fn main() {}

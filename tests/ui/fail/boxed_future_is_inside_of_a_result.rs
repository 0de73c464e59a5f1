use std::pin::Pin;

use cache_core::cached;

#[cached(ttl = 5m)]
fn square(n: u64) -> Result<Pin<Box<dyn Future<Output = u64> + Send>>, String> {
    Ok(Box::pin(async move { n * n }))
}

fn main() {}

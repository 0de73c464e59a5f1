use std::pin::Pin;

use cache_core::cached;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

#[cached(ttl = 5m)]
fn square(n: u64) -> Boxed<u64> {
    Box::pin(async move { n * n })
}

fn main() {}

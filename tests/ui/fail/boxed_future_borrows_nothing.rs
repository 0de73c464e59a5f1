use std::pin::Pin;

use cache_core::cached;

#[cached(ttl = 5m)]
fn length(name: &str) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    let name = name.to_owned();
    Box::pin(async move { name.len() })
}

fn main() {}

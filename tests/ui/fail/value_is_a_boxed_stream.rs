use cache_core::cached;
use futures::stream::{self, BoxStream, StreamExt};

#[cached(ttl = 5m)]
async fn divisors(n: u64) -> BoxStream<'static, u64> {
    stream::iter(1..=n).boxed()
}

fn main() {}

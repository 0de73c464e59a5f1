use cache_core::cached;
use futures::stream::{self, Stream};

#[cached(ttl = 5m)]
fn divisors(n: u64) -> impl Stream<Item = u64> {
    stream::iter(1..=n)
}

fn main() {}

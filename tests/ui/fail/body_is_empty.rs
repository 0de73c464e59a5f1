use cache_core::cached;

async fn plain(n: u64) -> u64 {}

#[cached(ttl = 5m)]
async fn square(n: u64) -> u64 {}

fn main() {}

use cache_core::{Cache, cached};

#[cached(ttl = 5m, skip(cache), cache = cache)]
async fn square(cache: Option<Cache>, n: u64) -> u64 {
    n * n
}

fn main() {}

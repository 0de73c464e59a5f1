//! Mistakes: 16.

use cache_core::cached;

#[cached(
    ttl, key, skip, strategy, tiers, none_ttl, err_ttl, keep_if, weight, max_concurrent_loads, version, name, codec,
    compress, cache, crate
)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

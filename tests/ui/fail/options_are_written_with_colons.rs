//! Mistakes: 2.

use cache_core::cached;

#[cached(ttl: 5m, version: 2)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

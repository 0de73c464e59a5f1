//! Mistakes: 3.

use cache_core::cached;

#[cached(ttl = 5m, tiers = memory)]
async fn made<T: From<u64>>(id: u64) -> T {
    id.into()
}

fn main() {}

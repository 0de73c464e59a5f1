//! Mistakes: 17.

use cache_core::cached;

#[cached(
    key = |n| n,
    skip = n,
    strategy = "read_through",
    tiers = "memory",
    none_ttl = true,
    err_ttl = 'a',
    keep_if = true,
    weight = 100,
    max_concurrent_loads = "4",
    version = 1.2,
    name = square,
    codec = "json",
    compress = true,
    inline = true,
    detached(),
    crate = "cache_core",
    ttl = true,
)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

//! Mistakes: 18.

use cache_core::cached;

#[cached(
    ttl = 5m, ttl = 5m,
    key = n, key = n,
    strategy = read_through, strategy = read_through,
    tiers = both, tiers = both,
    none_ttl = 1s, none_ttl = 1s,
    err_ttl = 1s, err_ttl = 1s,
    keep_if = |value| true, keep_if = |value| true,
    weight = |value| 1, weight = |value| 1,
    max_concurrent_loads = 4, max_concurrent_loads = 4,
    version = 2, version = 2,
    name = "square", name = "square",
    codec = json, codec = json,
    compress = 4KiB, compress = 4KiB,
    inline, inline,
    cache = cache(), cache = cache(),
    crate = cache_core, crate = cache_core,
)]
async fn square(n: u64) -> u64 {
    n * n
}

#[cached(ttl = 5m, skip(n), skip(n), detached, detached)]
async fn cube(n: u64) -> u64 {
    n * n * n
}

fn main() {}

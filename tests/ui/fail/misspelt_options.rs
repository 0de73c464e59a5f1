//! Mistakes: 18.

use cache_core::cached;

#[cached(tll = 5m)]
async fn ttl() {}

#[cached(ttl = 5m, kye = ())]
async fn key() {}

#[cached(ttl = 5m, skipp(db))]
async fn skip() {}

#[cached(ttl = 5m, stategy = read_through)]
async fn strategy() {}

#[cached(ttl = 5m, tier = memory)]
async fn tiers() {}

#[cached(ttl = 5m, non_ttl = 10s)]
async fn none_ttl() {}

#[cached(ttl = 5m, error_ttl = 10s)]
async fn err_ttl() {}

#[cached(ttl = 5m, keepif = |value| true)]
async fn keep_if() {}

#[cached(ttl = 5m, wieght = |value| 1)]
async fn weight() {}

#[cached(ttl = 5m, max_concurent_loads = 4)]
async fn max_concurrent_loads() {}

#[cached(ttl = 5m, verison = 2)]
async fn version() {}

#[cached(ttl = 5m, nmae = "shop::user")]
async fn name() {}

#[cached(ttl = 5m, codex = json)]
async fn codec() {}

#[cached(ttl = 5m, compres = 4KiB)]
async fn compress() {}

#[cached(ttl = 5m, inlined)]
async fn inline() {}

#[cached(ttl = 5m, detach)]
async fn detached() {}

#[cached(ttl = 5m, cahce = cache())]
async fn cache() {}

#[cached(ttl = 5m, crates = cache_core)]
async fn krate() {}

fn main() {}

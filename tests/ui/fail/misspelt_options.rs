use cache_core::cached;

#[cached(tll = 5m)]
async fn ttl(id: u64) {}

#[cached(ttl = 5m, kye = id)]
async fn key(id: u64) {}

#[cached(ttl = 5m, skipp(id))]
async fn skip(id: u64) {}

#[cached(ttl = 5m, stategy = read_through)]
async fn strategy(id: u64) {}

#[cached(ttl = 5m, tier = memory)]
async fn tiers(id: u64) {}

#[cached(ttl = 5m, non_ttl = 10s)]
async fn none_ttl(id: u64) {}

#[cached(ttl = 5m, error_ttl = 10s)]
async fn err_ttl(id: u64) {}

#[cached(ttl = 5m, keepif = |value| true)]
async fn keep_if(id: u64) {}

#[cached(ttl = 5m, wieght = |value| 1)]
async fn weight(id: u64) {}

#[cached(ttl = 5m, max_concurent_loads = 4)]
async fn max_concurrent_loads(id: u64) {}

#[cached(ttl = 5m, verison = 2)]
async fn version(id: u64) {}

#[cached(ttl = 5m, nmae = "shop::user")]
async fn name(id: u64) {}

#[cached(ttl = 5m, inlined)]
async fn inline(id: u64) {}

#[cached(ttl = 5m, detach)]
async fn detached(id: u64) {}

#[cached(ttl = 5m, cahce = cache())]
async fn cache(id: u64) {}

#[cached(ttl = 5m, crates = cache_core)]
async fn krate(id: u64) {}

fn main() {}

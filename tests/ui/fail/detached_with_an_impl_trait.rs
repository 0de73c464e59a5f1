use cache_core::{CacheKey, cached};

#[cached(ttl = 5m, detached)]
async fn shown(value: impl CacheKey + ToString + Send + Sync) -> String {
    value.to_string()
}

fn main() {}

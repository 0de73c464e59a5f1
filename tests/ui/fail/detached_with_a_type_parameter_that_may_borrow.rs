use cache_core::{CacheKey, cached};

#[cached(ttl = 5m, detached)]
async fn shown<T: CacheKey + ToString + Clone + Send + Sync>(value: T) -> String {
    value.to_string()
}

fn main() {}

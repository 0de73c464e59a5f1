use cache_core::cached;

#[cached(ttl = 5m)]
async fn shown(value: impl ToString + Send + Sync) -> String {
    value.to_string()
}

fn main() {}

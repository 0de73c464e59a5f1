use cache_core::cached;

#[cached(ttl = 5m)]
async fn shown<T: ToString + Send + Sync>(value: T) -> String {
    value.to_string()
}

fn main() {}

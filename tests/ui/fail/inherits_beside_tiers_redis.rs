use cache_core::cached;

#[cached(ttl = 5m, tiers = redis, inherits)]
async fn name(id: u64) -> String {
    id.to_string()
}

fn main() {}

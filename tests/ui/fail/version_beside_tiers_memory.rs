use cache_core::cached;

#[cached(ttl = 5m, tiers = memory, version = 2)]
async fn name(id: u64) -> String {
    id.to_string()
}

fn main() {}

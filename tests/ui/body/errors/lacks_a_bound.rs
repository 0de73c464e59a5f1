#[cache_core::cached(ttl = 5m, skip(value), tiers = memory)]
async fn shown<T: Send + Sync + Clone>(value: T, id: u64) -> String {
    format!("{value}{id}")
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m, skip(dp))]
async fn name(db: String, id: u64) -> String {
    format!("{db}{id}")
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m, skip(db), key = id)]
async fn name(db: String, id: u64) -> String {
    format!("{db}{id}")
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m, skip(pool), cache = pool)]
async fn name(pool: String, id: u64) -> String {
    format!("{pool}{id}")
}

fn main() {}

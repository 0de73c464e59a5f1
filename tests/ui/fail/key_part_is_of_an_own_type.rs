use cache_core::cached;

#[cached(ttl = 5m)]
async fn name(db: &Db, id: u64) -> String {
    id.to_string()
}

struct Db;

fn main() {}

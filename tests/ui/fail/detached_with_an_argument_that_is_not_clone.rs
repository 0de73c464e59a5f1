use cache_core::cached;

#[cached(ttl = 5m, detached, skip(db))]
async fn name(db: &Db, id: u64) -> String {
    id.to_string()
}

struct Db;

fn main() {}

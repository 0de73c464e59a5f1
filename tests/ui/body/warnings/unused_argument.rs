#[cache_core::cached(ttl = 5m, skip(db))]
async fn square(db: String, n: u64) -> u64 {
    n * n
}

fn main() {}

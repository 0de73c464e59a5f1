#[cache_core::cached(ttl = 5m)]
async fn next(n: u64) -> u64 {
    n += 1;
    n
}

fn main() {}

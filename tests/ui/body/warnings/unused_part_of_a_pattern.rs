#[cache_core::cached(ttl = 5m, key = n)]
async fn square((n, trace): (u64, u64)) -> u64 {
    n * n
}

fn main() {}

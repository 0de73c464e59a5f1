#[cache_core::cached(ttl = 5m)]
async fn sum((a, b, c): (u64, u64)) -> u64 {
    a + b + c
}

fn main() {}

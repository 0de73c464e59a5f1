#[cache_core::cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    if let m = n { m * m } else { 0 }
}

fn main() {}

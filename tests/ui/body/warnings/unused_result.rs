#[cache_core::cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    checked(n);
    n * n
}

fn checked(n: u64) -> Result<(), u64> {
    if n < 10 { Ok(()) } else { Err(n) }
}

fn main() {}

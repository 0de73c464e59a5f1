#[cache_core::cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    checked(n);
    n * n
}

async fn checked(n: u64) -> bool {
    n < 10
}

fn main() {}

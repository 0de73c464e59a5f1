#[cache_core::cached(ttl = 5m)]
async fn next(n: u64) -> u64 {
    square(n) + 1
}

async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

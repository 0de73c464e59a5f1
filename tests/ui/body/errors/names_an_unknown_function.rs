#[cache_core::cached(ttl = 5m)]
async fn same(n: u64) -> u64 {
    sqare(n)
}

fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

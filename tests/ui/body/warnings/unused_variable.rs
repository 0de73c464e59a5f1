#[cache_core::cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    let unused = 1;
    n * n
}

fn main() {}

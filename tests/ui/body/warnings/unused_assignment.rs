#[cache_core::cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    let mut square = 0;
    square = n * n;
    square
}

fn main() {}

#[cache_core::cached(ttl = 5m)]
async fn square(mut n: u64) -> u64 {
    n = 5;
    25
}

fn main() {}

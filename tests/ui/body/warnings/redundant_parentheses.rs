#[cache_core::cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    if (n == 0) {
        return (0);
    }
    n * n
}

fn main() {}

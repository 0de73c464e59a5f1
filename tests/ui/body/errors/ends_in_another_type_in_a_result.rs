#[cache_core::cached(ttl = 5m)]
async fn square(n: u64) -> Result<u64, String> {
    n * n
}

fn main() {}

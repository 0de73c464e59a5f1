use cache_core::cached;

#[cached(ttl = 5m, timeout = 2s)]
async fn square(n: u64) -> Result<u64, String> {
    Ok(n * n)
}

fn main() {}

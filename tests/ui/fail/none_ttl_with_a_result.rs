use cache_core::cached;

#[cached(ttl = 5m, none_ttl = 10s)]
async fn square(n: u64) -> Result<u64, String> {
    Ok(n * n)
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m, soft_timeout = 50ms)]
async fn square(n: u64) -> Result<u64, String> {
    Ok(n * n)
}

fn main() {}

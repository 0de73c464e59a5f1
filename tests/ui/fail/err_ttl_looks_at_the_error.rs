use cache_core::cached;

#[cached(ttl = 5m, err_ttl = |error| error.after)]
async fn half(n: u64) -> Result<u64, String> {
    Ok(n / 2)
}

fn main() {}

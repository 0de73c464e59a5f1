use cache_core::cached;

#[cached(ttl = 5m, strategy = [stale_if_error(1h), write_behind])]
async fn square(n: u64) -> Result<u64, String> {
    Ok(n * n)
}

fn main() {}

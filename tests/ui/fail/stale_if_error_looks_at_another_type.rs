use cache_core::cached;

#[cached(ttl = 5m, strategy = stale_if_error(1h, |error: &u32| *error > 3))]
async fn square(n: u64) -> Result<u64, String> {
    Ok(n * n)
}

fn main() {}

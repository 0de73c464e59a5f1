use cache_core::cached;

#[cached(ttl = 5m, err_ttl = |error: &u32| std::time::Duration::from_secs((*error).into()))]
async fn square(n: u64) -> Result<u64, String> {
    Ok(n * n)
}

fn main() {}

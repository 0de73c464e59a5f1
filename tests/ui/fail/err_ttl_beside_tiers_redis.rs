use cache_core::cached;

#[cached(ttl = 5m, tiers = redis, err_ttl = 1s)]
async fn name(id: u64) -> Result<String, String> {
    Ok(id.to_string())
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m, err_ttl = 10s)]
async fn square(n: u64) -> Result<u64, std::io::Error> {
    Ok(n * n)
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m)]
async fn parsed(text: String) -> Result<u64, Box<dyn std::error::Error>> {
    Ok(text.parse()?)
}

fn main() {}

#[cache_core::cached(ttl = 5m)]
async fn parsed(text: String) -> Result<u64, std::fmt::Error> {
    Ok(text.parse::<u64>()?)
}

fn main() {}

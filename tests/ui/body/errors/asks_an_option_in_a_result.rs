#[cache_core::cached(ttl = 5m)]
async fn first(words: Vec<String>) -> Result<String, std::fmt::Error> {
    Ok(words.first()?.clone())
}

fn main() {}

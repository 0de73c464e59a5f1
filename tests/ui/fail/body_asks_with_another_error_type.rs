use cache_core::cached;

async fn plain(text: String) -> Result<u64, std::fmt::Error> {
    Ok(text.parse::<u64>()?)
}

#[cached(ttl = 5m)]
async fn parsed(text: String) -> Result<u64, std::fmt::Error> {
    Ok(text.parse::<u64>()?)
}

fn main() {}

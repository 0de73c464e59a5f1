use cache_core::cached;

async fn plain(text: String) -> u64 {
    text.parse::<u64>()?
}

#[cached(ttl = 5m)]
async fn parsed(text: String) -> u64 {
    text.parse::<u64>()?
}

fn main() {}

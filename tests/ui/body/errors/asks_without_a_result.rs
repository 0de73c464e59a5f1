#[cache_core::cached(ttl = 5m)]
async fn parsed(text: String) -> u64 {
    text.parse::<u64>()?
}

fn main() {}

#[cache_core::cached(ttl = 5m)]
async fn lengths(words: Vec<String>) -> Vec<usize> {
    words.iter().map(|word| word).collect()
}

fn main() {}

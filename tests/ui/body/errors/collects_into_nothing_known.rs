#[cache_core::cached(ttl = 5m)]
async fn count(words: Vec<String>) -> usize {
    let kept = words.into_iter().collect();
    kept.len()
}

fn main() {}

use std::collections::HashMap;

use cache_core::cached;

#[cached(ttl = 5m)]
async fn count(words: &HashMap<String, u64>) -> usize {
    words.len()
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m, keep_if = |words| words.len() > limit)]
async fn words(limit: usize) -> Vec<String> {
    vec![limit.to_string()]
}

fn main() {}

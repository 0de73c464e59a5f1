use cache_core::cached;

#[cached(ttl = 5m, keep_if = |words| words.is_emty())]
async fn words(id: u64) -> Option<Vec<String>> {
    Some(vec![id.to_string()])
}

fn main() {}

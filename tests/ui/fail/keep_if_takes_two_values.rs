use cache_core::cached;

#[cached(ttl = 5m, keep_if = |words, id| true)]
async fn words(id: u64) -> Vec<String> {
    vec![id.to_string()]
}

fn main() {}

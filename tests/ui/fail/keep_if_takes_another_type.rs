use cache_core::cached;

#[cached(ttl = 5m, keep_if = is_long)]
async fn words(id: u64) -> Vec<String> {
    vec![id.to_string()]
}

fn is_long(text: &String) -> bool {
    text.len() > 10
}

fn main() {}

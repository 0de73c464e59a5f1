use cache_core::cached;

#[cached(ttl = 5m)]
async fn first(text: &str) -> &str {
    &text[..1]
}

fn main() {}

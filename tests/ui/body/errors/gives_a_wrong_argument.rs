#[cache_core::cached(ttl = 5m)]
async fn length(name: &str) -> usize {
    len(name)
}

fn len(text: String) -> usize {
    text.len()
}

fn main() {}

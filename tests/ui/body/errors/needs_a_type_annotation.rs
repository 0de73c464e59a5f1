#[cache_core::cached(ttl = 5m)]
async fn parsed(text: String) -> bool {
    let parsed = text.parse().unwrap();
    true
}

fn main() {}

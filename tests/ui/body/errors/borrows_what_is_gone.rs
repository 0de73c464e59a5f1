#[cache_core::cached(ttl = 5m)]
async fn length(n: u64) -> usize {
    let text;
    {
        let inner = n.to_string();
        text = &inner;
    }
    text.len()
}

fn main() {}

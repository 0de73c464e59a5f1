#[cache_core::cached(ttl = 5m)]
async fn count(name: String) -> usize {
    let mut count = 0;
    for _ in 0..2 {
        count += length(name);
    }
    count
}

fn length(text: String) -> usize {
    text.len()
}

fn main() {}

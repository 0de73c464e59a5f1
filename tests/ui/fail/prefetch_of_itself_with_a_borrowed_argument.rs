use cache_core::cached;

#[cached(ttl = 5m, prefetch = total(parts.clone(), number + 1))]
async fn total(parts: Vec<&str>, number: usize) -> usize {
    parts.len() + number
}

fn main() {}

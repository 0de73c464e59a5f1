#[cache_core::cached(ttl = 5m)]
async fn all(n: u64) -> Vec<String> {
    vec![n.to_string(), n]
}

fn main() {}

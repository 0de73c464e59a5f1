#[cache_core::cached(ttl = 5m)]
async fn count(n: u64) -> usize {
    use std::colections::HashMap;
    HashMap::from([(n, n)]).len()
}

fn main() {}

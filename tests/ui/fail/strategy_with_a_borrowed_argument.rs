use cache_core::cached;

#[cached(ttl = 5m, strategy = stale_while_revalidate(1m))]
async fn total(parts: Vec<&str>) -> usize {
    parts.len()
}

fn main() {}

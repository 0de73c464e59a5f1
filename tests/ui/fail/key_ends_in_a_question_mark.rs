use cache_core::cached;

#[cached(ttl = 5m, key = id.checked_add(1)?)]
async fn name(id: u64) -> Option<String> {
    Some(id.to_string())
}

fn main() {}

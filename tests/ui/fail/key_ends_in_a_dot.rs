use cache_core::cached;

#[cached(ttl = 5m, key = id.)]
async fn name(id: u64) -> String {
    id.to_string()
}

fn main() {}

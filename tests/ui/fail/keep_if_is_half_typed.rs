use cache_core::cached;

#[cached(ttl = 5m, keep_if = |name|)]
async fn name(id: u64) -> String {
    id.to_string()
}

fn main() {}

use cache_core::cached;

#[cached(ttl = |_| std::time::Duration::from_secs(id))]
async fn name(id: u64) -> String {
    id.to_string()
}

fn main() {}

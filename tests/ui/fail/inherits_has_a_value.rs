use cache_core::cached;

#[cached(ttl = 5m, inherits = true)]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}

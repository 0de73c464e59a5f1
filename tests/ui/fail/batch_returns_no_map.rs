use cache_core::cached;

#[cached(ttl = 5m, batch(id in ids))]
async fn squares(ids: &[u64]) -> Vec<u64> {
    ids.iter().map(|id| id * id).collect()
}

fn main() {}

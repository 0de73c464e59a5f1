use std::collections::HashMap;

use cache_core::cached;

#[cached(ttl = 5m, batch(id in ids))]
async fn squares(ids: &[u64]) -> HashMap<u32, u64> {
    let _ = ids;
    HashMap::new()
}

fn main() {}

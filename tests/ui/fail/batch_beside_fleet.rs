use std::collections::HashMap;

use cache_core::cached;

#[cached(ttl = 5m, batch(id in ids), fleet)]
async fn squares(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, id * id)).collect()
}

fn main() {}

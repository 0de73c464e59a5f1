use std::collections::HashMap;

use cache_core::cached;

#[cached(ttl = 5m, batch(id in ids))]
async fn squares(ids: &[f64]) -> HashMap<f64, u64> {
    let _ = ids;
    HashMap::new()
}

fn main() {}

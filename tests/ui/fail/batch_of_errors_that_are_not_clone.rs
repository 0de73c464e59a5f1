use std::collections::HashMap;

use cache_core::cached;

#[cached(ttl = 5m, batch(id in ids), tiers = memory)]
async fn rows(ids: &[u64]) -> Result<HashMap<u64, u64>, std::io::Error> {
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

fn main() {}

use std::collections::HashMap;

use cache_core::cached;

struct Row(u64);

#[cached(ttl = 5m, batch(id in ids), tiers = memory)]
async fn rows(ids: &[u64]) -> HashMap<u64, Row> {
    ids.iter().map(|id| (*id, Row(*id))).collect()
}

fn main() {}

use std::sync::Arc;

use cache_core::cached;

#[cached(ttl = 5m)]
async fn name(client: Arc<Client>, id: u64) -> String {
    id.to_string()
}

struct Client;

fn main() {}

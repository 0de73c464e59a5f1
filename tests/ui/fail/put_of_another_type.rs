use cache_core::{CachedCall, cached};

#[cached(ttl = 5m)]
async fn name(id: u64) -> Option<String> {
    Some(id.to_string())
}

async fn keep() {
    let _ = name(7).put("Ada".to_owned()).await;
}

fn main() {}

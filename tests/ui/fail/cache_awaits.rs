use cache_core::{Cache, cached};

async fn cache_of(tenant: u64) -> Cache {
    let _ = tenant;
    Cache::disabled()
}

#[cached(ttl = 5m, cache = cache_of(tenant).await)]
async fn name(tenant: u64, id: u64) -> String {
    format!("{tenant}:{id}")
}

fn main() {}

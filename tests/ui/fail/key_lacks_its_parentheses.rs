use cache_core::cached;

#[cached(ttl = 5m, key = tenant, id)]
async fn name(tenant: String, id: u64) -> String {
    format!("{tenant}{id}")
}

fn main() {}

use cache_core::cached;

async fn tenant_of(id: u64) -> u64 {
    id / 100
}

#[cached(ttl = 5m, key = (tenant_of(id).await, id))]
async fn name(id: u64) -> String {
    id.to_string()
}

fn main() {}

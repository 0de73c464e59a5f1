use cache_core::{Event, cached};

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    tenant: String,
    id: u64,
}

#[cached(ttl = 5m, skip(tenant), invalidate_on = OrderChanged { tenant, id })]
async fn load(tenant: String, id: u64) -> u64 {
    tenant.len() as u64 + id
}

fn main() {}

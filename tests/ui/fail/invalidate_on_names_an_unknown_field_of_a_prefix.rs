use cache_core::{Event, cached};

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    tenant: String,
    id: u64,
}

#[cached(ttl = 5m, invalidate_on = OrderChanged { tenat: tenant, .. })]
async fn load(tenant: String) -> String {
    tenant
}

fn main() {}

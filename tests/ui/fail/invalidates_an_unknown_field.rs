use cache_core::{Event, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    tenant: String,
    id: u64,
}

#[invalidates(OrderChanged { tenant, order: id })]
async fn change(tenant: String, id: u64) -> u64 {
    drop(tenant);
    id
}

fn main() {}

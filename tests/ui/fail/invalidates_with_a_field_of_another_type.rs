use cache_core::{Event, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    tenant: String,
    id: u64,
}

#[invalidates(OrderChanged { tenant, id })]
async fn change(tenant: String, id: u32) -> u32 {
    drop(tenant);
    id
}

fn main() {}

use cache_core::{Event, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    tenant: String,
    id: u64,
}

#[invalidates(Some(OrderChanged { tenant, id: 7 }))]
async fn change(tenant: String) -> String {
    tenant
}

fn main() {}

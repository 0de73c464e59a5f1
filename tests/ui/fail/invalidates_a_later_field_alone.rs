use cache_core::{Event, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    tenant: String,
    id: u64,
}

#[invalidates(OrderChanged { id, .. })]
async fn change(id: u64) -> u64 {
    id
}

fn main() {}

use cache_core::{Event, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    tenant: String,
    id: u64,
}

struct Order {
    id: u64,
}

#[invalidates(OrderChanged { tenant, id: result.idd })]
async fn change(tenant: String) -> Order {
    drop(tenant);
    Order { id: 7 }
}

fn main() {}

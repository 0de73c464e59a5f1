use cache_core::{Event, cached};

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    tenant: String,
    id: u64,
}

#[cached(ttl = 5m, invalidate_on = OrderChanged { tenant: tenant.into(), id: 7 })]
async fn load(tenant: Box<str>) -> usize {
    tenant.len()
}

fn main() {}

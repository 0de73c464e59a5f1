use cache_core::{Event, cached};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

#[cached(ttl = 5m, invalidate_on = UserChanged { id: id.len() })]
async fn load(id: String) -> String {
    id
}

fn main() {}

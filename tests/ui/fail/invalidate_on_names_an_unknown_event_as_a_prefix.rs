use cache_core::{Event, cached};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

#[cached(ttl = 5m, invalidate_on = UserChangd { .. })]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}

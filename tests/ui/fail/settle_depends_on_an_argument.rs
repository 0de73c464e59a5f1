use cache_core::{Event, cached};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

#[cached(ttl = 5m, settle = lag, invalidate_on = UserChanged { id })]
async fn load(id: u64, lag: std::time::Duration) -> u64 {
    id
}

fn main() {}

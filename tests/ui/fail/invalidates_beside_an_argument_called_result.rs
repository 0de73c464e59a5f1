use cache_core::{Event, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

#[invalidates(UserChanged { id: result })]
async fn change(result: u64) -> u64 {
    result
}

fn main() {}

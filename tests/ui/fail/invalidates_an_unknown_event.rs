use cache_core::{Event, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

#[invalidates(UserChangd { id })]
async fn change(id: u64) -> u64 {
    id
}

fn main() {}

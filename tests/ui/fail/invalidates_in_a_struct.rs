use cache_core::{Event, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

#[invalidates(UserChanged { id })]
struct Users;

fn main() {}

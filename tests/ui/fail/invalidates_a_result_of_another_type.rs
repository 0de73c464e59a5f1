use cache_core::{Event, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

struct User {
    id: String,
}

#[invalidates(UserChanged { id: result.id })]
async fn change(id: u64) -> User {
    User { id: id.to_string() }
}

fn main() {}

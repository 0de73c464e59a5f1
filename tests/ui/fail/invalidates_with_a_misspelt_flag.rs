use cache_core::{Event, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

#[invalidates(UserChanged { id }, onok)]
async fn change(id: u64) -> Result<u64, ()> {
    Ok(id)
}

fn main() {}

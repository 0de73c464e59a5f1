use cache_core::{Event, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

#[derive(Debug)]
struct Failed;

#[invalidates(UserChanged { id }, guarded)]
async fn change(id: u64) -> Result<u64, Failed> {
    Ok(id)
}

fn main() {}

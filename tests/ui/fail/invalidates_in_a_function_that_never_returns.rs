use cache_core::{Event, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

#[invalidates(UserChanged { id })]
async fn change(id: u64) -> ! {
    loop {
        drop(id);
    }
}

fn main() {}

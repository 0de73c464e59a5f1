use cache_core::{Event, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

trait Users {
    #[invalidates(UserChanged { id })]
    async fn change(&self, id: u64);
}

fn main() {}

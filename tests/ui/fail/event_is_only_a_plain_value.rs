#![deny(dead_code)]

use cache_core::{Event, cached};

#[derive(Event)]
struct UserChanged {
    id: u64,
}

#[cached(ttl = 5m, invalidate_on = UserChanged { id })]
async fn user(id: u64) -> u64 {
    id
}

fn changed() -> UserChanged {
    UserChanged { id: 7 }
}

fn main() {
    drop(user(changed().id));
}

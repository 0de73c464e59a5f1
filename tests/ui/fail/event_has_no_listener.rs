#![deny(dead_code)]

use cache_core::{Event, invalidates};

#[derive(Event)]
struct UserChanged {
    id: u64,
}

#[invalidates(UserChanged { id })]
async fn rename(id: u64) -> u64 {
    id
}

fn main() {
    drop(rename(7));
}

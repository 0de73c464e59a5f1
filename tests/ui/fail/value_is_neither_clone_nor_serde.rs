//! Mistakes: 2.

use cache_core::cached;

#[cached(ttl = 5m)]
async fn user(id: u64) -> User {
    User { id }
}

struct User {
    id: u64,
}

fn main() {}

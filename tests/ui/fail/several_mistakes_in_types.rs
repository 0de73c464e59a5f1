//! Mistakes: 7.

use cache_core::cached;

#[cached(ttl = 5m, none_ttl = 10s, err_ttl = 10s, keep_if = |user| user.id)]
async fn user(db: &Db, x: f64) -> User {
    User { id: x as u64 }
}

struct Db;

struct User {
    id: u64,
}

fn main() {}

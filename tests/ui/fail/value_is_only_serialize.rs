use cache_core::cached;

#[cached(ttl = 5m)]
async fn user(id: u64) -> User {
    User { id }
}

#[derive(Clone, serde::Serialize)]
struct User {
    id: u64,
}

fn main() {}

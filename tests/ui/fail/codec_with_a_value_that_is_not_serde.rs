use cache_core::cached;

#[cached(ttl = 5m, codec = json)]
async fn user(id: u64) -> Result<Option<User>, std::io::Error> {
    Ok(Some(User { id }))
}

#[derive(Clone)]
struct User {
    id: u64,
}

fn main() {}

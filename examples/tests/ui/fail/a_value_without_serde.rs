use cache_core::cached;

#[derive(Clone)]
struct User {
    name: String,
}

#[cached(ttl = 5m)]
async fn user(id: u64) -> Option<User> {
    (id == 7).then(|| User {
        name: "Ada".to_owned(),
    })
}

fn main() {}

mod users {
    #[derive(Default)]
    pub struct User {
        id: u64,
    }
}

#[cache_core::cached(ttl = 5m)]
async fn id(n: u64) -> u64 {
    let user = users::User::default();
    n + user.id
}

fn main() {}

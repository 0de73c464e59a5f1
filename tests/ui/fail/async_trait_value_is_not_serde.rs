use async_trait::async_trait;
use cache_core::cached;

#[derive(Clone)]
struct User;

#[async_trait]
trait Users {
    async fn user(&self, id: u64) -> User;
}

struct Postgres;

#[async_trait]
impl Users for Postgres {
    #[cached(ttl = 5m, skip(self))]
    async fn user(&self, id: u64) -> User {
        println!("{id}");
        User
    }
}

fn main() {}

use async_trait::async_trait;
use cache_core::cached;

#[async_trait]
trait Users {
    async fn length(&self, user: (u64, Option<&str>)) -> usize;
}

#[derive(Clone)]
struct Postgres;

#[async_trait]
impl Users for Postgres {
    #[cached(ttl = 5m, skip(self), detached)]
    async fn length(&self, (_id, name): (u64, Option<&str>)) -> usize {
        name.map_or(0, str::len)
    }
}

fn main() {}

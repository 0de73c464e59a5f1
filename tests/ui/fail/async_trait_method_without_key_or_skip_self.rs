use async_trait::async_trait;
use cache_core::cached;

#[async_trait]
trait Users {
    async fn name(&self, id: u64) -> String;
}

struct Postgres;

#[async_trait]
impl Users for Postgres {
    #[cached(ttl = 5m)]
    async fn name(&self, id: u64) -> String {
        id.to_string()
    }
}

fn main() {}

use async_trait::async_trait;
use cache_core::cached;

#[async_trait]
trait Users {
    async fn length(&self, user: (u64, String)) -> usize;
}

struct Postgres;

#[async_trait]
impl Users for Postgres {
    #[cached(ttl = 5m, skip(self, name))]
    async fn length(&self, (id, name): (u64, String)) -> usize {
        assert!(id > 0);
        name.len()
    }
}

fn main() {}

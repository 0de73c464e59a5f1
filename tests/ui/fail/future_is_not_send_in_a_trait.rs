use std::rc::Rc;

use cache_core::cached;

trait Users {
    async fn name(&self, id: u64) -> String;
}

struct Postgres;

impl Users for Postgres {
    #[cached(ttl = 5m, skip(self))]
    async fn name(&self, id: u64) -> String {
        let id = Rc::new(id);
        tokio::task::yield_now().await;
        id.to_string()
    }
}

fn main() {}

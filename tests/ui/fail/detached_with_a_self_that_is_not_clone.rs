use cache_core::cached;

struct Users;

impl Users {
    #[cached(ttl = 5m, detached, skip(self))]
    async fn name(&self, id: u64) -> String {
        id.to_string()
    }
}

fn main() {}

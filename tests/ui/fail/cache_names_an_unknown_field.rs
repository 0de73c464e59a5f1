use cache_core::cached;

struct Users {
    cache: cache_core::Cache,
}

impl Users {
    #[cached(ttl = 5m, skip(self), cache = self.cahce)]
    async fn name(&self, id: u64) -> String {
        id.to_string()
    }
}

fn main() {}

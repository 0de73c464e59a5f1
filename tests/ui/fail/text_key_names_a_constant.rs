use cache_core::cached;

struct Users;

impl Users {
    const KIND: u64 = 1;

    #[cached(ttl = 5m, key = "{Self::KIND}:{id}")]
    async fn name(&self, id: u64) -> String {
        id.to_string()
    }
}

fn main() {}

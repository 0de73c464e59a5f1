use cache_core::cached;

struct Users;

#[cached(ttl = 5m)]
impl Users {
    async fn name(&self, id: u64) -> String {
        id.to_string()
    }
}

fn main() {}

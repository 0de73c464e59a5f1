use cache_core::cached;

#[cached(ttl = 5m)]
mod users {
    pub async fn name(id: u64) -> String {
        id.to_string()
    }
}

fn main() {}

use std::pin::Pin;

use cache_core::cached;

struct Users;

impl Users {
    #[cached(ttl = 5m, skip(self))]
    async fn name(self: Pin<&mut Self>, id: u64) -> String {
        id.to_string()
    }
}

fn main() {}

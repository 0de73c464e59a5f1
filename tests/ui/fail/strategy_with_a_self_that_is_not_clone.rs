use cache_core::cached;

struct Shop;

impl Shop {
    #[cached(ttl = 5m, skip(self), strategy = refresh_ahead(0.8))]
    async fn price(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}

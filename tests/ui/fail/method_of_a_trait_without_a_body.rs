use cache_core::cached;

trait Users {
    #[cached(ttl = 5m, skip(self))]
    async fn name(&self, id: u64) -> String;
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m)]
trait Users {
    async fn name(&self, id: u64) -> String;
}

fn main() {}

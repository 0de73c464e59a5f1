use cache_core::cached;

#[cached(ttl = 5m, key = todo!())]
async fn name(id: u64) -> String {
    id.to_string()
}

fn main() {}

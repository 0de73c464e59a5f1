use cache_core::cached;

#[cached(ttl = 5m, weight = |text| text.len() as u64)]
async fn text(id: u64) -> String {
    id.to_string()
}

fn main() {}

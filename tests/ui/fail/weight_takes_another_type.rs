use cache_core::cached;

#[cached(ttl = 5m, weight = String::len)]
async fn words(id: u64) -> Vec<String> {
    vec![id.to_string()]
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m, key = "user:{r#type}")]
async fn name(r#type: u64) -> String {
    r#type.to_string()
}

fn main() {}

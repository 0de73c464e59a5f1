use cache_core::cached;

#[cached(ttl = 5m, key = name.into_bytes())]
async fn shout(name: String) -> String {
    name.to_uppercase()
}

fn main() {}

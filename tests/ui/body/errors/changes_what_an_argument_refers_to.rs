#[cache_core::cached(ttl = 5m)]
async fn loud(name: &String) -> String {
    name.push('!');
    name.clone()
}

fn main() {}

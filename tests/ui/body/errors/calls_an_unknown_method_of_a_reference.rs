#[cache_core::cached(ttl = 5m)]
async fn length(name: &str) -> usize {
    name.lenght()
}

fn main() {}

#[cache_core::cached(ttl = 5m)]
async fn length(name: String) -> usize {
    name.lenght()
}

fn main() {}

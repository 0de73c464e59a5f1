#[cache_core::cached(ttl = 5m)]
async fn length(name: String) -> usize {
    let length = name.len();
    length.
}

fn main() {}

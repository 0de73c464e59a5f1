#[cache_core::cached(ttl = 5m)]
async fn shown(n: u64) {
    n * n
}

fn main() {}

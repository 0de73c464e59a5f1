#[cache_core::cached(ttl = 5m)]
async fn third(n: u64) -> u64 {
    [n, n][2]
}

fn main() {}

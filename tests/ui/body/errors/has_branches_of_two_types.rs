#[cache_core::cached(ttl = 5m)]
async fn same(n: u64) -> u64 {
    if n > 0 { n } else { "none" }
}

fn main() {}

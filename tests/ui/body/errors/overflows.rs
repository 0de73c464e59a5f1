#[cache_core::cached(ttl = 5m)]
async fn large(n: u64) -> u64 {
    let large: u8 = 256;
    n + u64::from(large)
}

fn main() {}

#[cache_core::cached(ttl = 5m)]
async fn read(n: u64) -> u64 {
    risky(n)
}

unsafe fn risky(n: u64) -> u64 {
    n
}

fn main() {}

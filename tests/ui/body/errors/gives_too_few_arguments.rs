#[cache_core::cached(ttl = 5m)]
async fn sum(n: u64) -> u64 {
    add(n)
}

fn add(a: u64, b: u64) -> u64 {
    a + b
}

fn main() {}

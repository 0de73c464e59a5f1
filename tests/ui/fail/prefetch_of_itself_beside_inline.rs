use cache_core::cached;

#[cached(ttl = 5m, inline, prefetch = square(n + 1))]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

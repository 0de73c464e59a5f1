use cache_core::cached;

#[cached(ttl = 30m1h)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

use cache_core::cached;

const LIFETIME: u64 = 300;

#[cached(ttl = LIFETIME)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

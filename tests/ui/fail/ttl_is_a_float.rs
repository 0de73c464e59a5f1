use cache_core::cached;

#[cached(ttl = 1.5h)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

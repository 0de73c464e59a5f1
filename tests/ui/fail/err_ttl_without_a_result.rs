use cache_core::cached;

#[cached(ttl = 5m, err_ttl = 10s)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

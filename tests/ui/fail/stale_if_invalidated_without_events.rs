use cache_core::cached;

#[cached(ttl = 5m, strategy = stale_if_invalidated(5s))]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

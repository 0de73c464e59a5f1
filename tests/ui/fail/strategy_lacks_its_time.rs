use cache_core::cached;

#[cached(ttl = 5m, strategy = stale_while_revalidate)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m, strategy = refresh_ahead(80))]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

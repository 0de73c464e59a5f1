use cache_core::cached;

#[cached(ttl = 5m, strategy = [refresh_ahead(0.8), early_expiration])]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

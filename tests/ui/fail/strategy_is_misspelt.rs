use cache_core::cached;

#[cached(ttl = 5m, strategy = refresh_ahed(0.8))]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

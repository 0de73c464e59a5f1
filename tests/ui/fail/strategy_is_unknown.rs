use cache_core::cached;

#[cached(ttl = 5m, strategy = write_through)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

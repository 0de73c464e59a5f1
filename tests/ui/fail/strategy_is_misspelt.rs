use cache_core::cached;

#[cached(ttl = 5m, strategy = read_trough)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

use cache_core::cached;

#[cached(ttl = 5m, key = if n > 5 { return } else { n })]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

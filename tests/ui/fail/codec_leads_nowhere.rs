use cache_core::cached;

#[cached(ttl = 5m, codec = codecs::Own)]
async fn square(n: u64) -> u64 {
    n * n
}

mod codecs {}

fn main() {}

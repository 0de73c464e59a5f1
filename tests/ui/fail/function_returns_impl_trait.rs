use cache_core::cached;

#[cached(ttl = 5m)]
async fn square(n: u64) -> impl std::fmt::Display {
    n * n
}

fn main() {}

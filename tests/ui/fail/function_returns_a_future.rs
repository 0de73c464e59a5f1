use cache_core::cached;

#[cached(ttl = 5m)]
fn square(n: u64) -> impl Future<Output = u64> {
    async move { n * n }
}

fn main() {}

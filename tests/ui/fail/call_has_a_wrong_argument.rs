use cache_core::cached;

#[cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    n * n
}

async fn call() -> u64 {
    square("7").await
}

fn main() {}

use cache_core::cached;

async fn plain(n: u64) -> String {
    n * n
}

#[cached(ttl = 5m)]
async fn square(n: u64) -> String {
    n * n
}

fn main() {}

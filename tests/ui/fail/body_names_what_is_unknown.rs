use cache_core::cached;

async fn plain(n: u64) -> u64 {
    m * n
}

#[cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    m * n
}

fn main() {}

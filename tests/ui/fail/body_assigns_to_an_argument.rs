use cache_core::cached;

async fn plain(n: u64) -> u64 {
    n += 1;
    n
}

#[cached(ttl = 5m)]
async fn next(n: u64) -> u64 {
    n += 1;
    n
}

fn main() {}

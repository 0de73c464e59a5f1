use cache_core::cached;

async fn plain(n: u64) -> u64 {
    square(n)
}

#[cached(ttl = 5m)]
async fn same(n: u64) -> u64 {
    square(n)
}

async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}

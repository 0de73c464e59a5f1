#![deny(warnings)]

use cache_core::cached;

#[cached(ttl = 5m, skip(db))]
pub async fn square(db: String, n: u64) -> u64 {
    n * n
}

pub async fn plain(db: String, n: u64) -> u64 {
    n * n
}

fn main() {}

#![deny(warnings)]

use cache_core::cached;

#[cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    let unused = 1;
    let mut same = n;
    return same * n;
    same
}

async fn plain(n: u64) -> u64 {
    let unused = 1;
    let mut same = n;
    return same * n;
    same
}

fn main() {}

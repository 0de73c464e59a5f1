//! Mistakes: 2.

use cache_core::cached;

#[cached(tll = 5m)]
async fn shown(n: u64) -> String {
    n
}

fn main() {}

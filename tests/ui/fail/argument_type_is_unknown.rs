//! Mistakes: 2.

use cache_core::cached;

#[cached(ttl = 5m, skip(db))]
async fn name(db: &Bd, page: Pgae) -> u64 {
    page.number
}

struct Page {
    number: u64,
}

fn main() {}

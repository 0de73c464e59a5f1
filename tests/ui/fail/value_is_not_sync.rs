use std::cell::Cell;

use cache_core::cached;

#[cached(ttl = 5m)]
async fn counter(id: u64) -> Cell<u64> {
    Cell::new(id)
}

fn main() {}

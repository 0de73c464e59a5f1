use std::cell::Cell;

use cache_core::cached;

#[cached(ttl = 5m, skip(counter))]
async fn square(counter: &Cell<u64>, n: u64) -> u64 {
    counter.set(counter.get() + 1);
    n * n
}

fn main() {}

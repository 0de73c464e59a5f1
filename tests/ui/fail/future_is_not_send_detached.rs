use std::rc::Rc;

use cache_core::cached;

#[cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    let n = Rc::new(n);
    tokio::task::yield_now().await;
    *n * *n
}

fn main() {}

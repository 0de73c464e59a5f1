use std::sync::Mutex;

use cache_core::cached;

#[cached(ttl = 5m, skip(calls))]
async fn square(calls: &Mutex<u64>, n: u64) -> u64 {
    let mut calls = calls.lock().unwrap();
    tokio::task::yield_now().await;
    *calls += 1;
    n * n
}

fn main() {}

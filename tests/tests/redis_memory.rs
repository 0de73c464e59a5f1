//! Memory while a real Redis hangs. A process of its own: others would be measured too.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use cache_core::{Cache, cached};
use tests::server::Server;
use tokio::task::JoinSet;

#[cached(ttl = 1h, tiers = redis)]
async fn large(n: u64) -> Vec<u64> {
    vec![n; 30_000]
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_bounded_while_a_server_hangs() {
    let server = Server::start();
    let cache = Cache::builder().redis(server.url()).build().await.unwrap();
    Cache::scope(cache.clone(), large(0)).await;
    let before = resident();
    server.pause();
    let mut calls = JoinSet::new();
    // 480 MB of values, if they were kept.
    for n in 0..2_000 {
        calls.spawn(Cache::scope(
            cache.clone(),
            async move { large(n).await.len() },
        ));
    }
    while let Some(length) = calls.join_next().await {
        assert_eq!(length.unwrap(), 30_000);
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 200 << 20, "{} MiB more", grown >> 20);
}

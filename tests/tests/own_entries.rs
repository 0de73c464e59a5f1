//! What a process wrote to Redis is no news to it.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use cache_core::{Cache, cached};
use tests::{server::Server, until};
use tokio::time::sleep;

const KEYS: u64 = 30;

static LOADS: AtomicU64 = AtomicU64::new(0);

#[cached(ttl = 2s, strategy = refresh_ahead(0.5))]
async fn rate(id: u64) -> u64 {
    LOADS.fetch_add(1, SeqCst);
    id
}

async fn assert_refreshed(url: &str, ids: Range<u64>) {
    let cache = Cache::builder().redis(url).build().await.unwrap();
    let ask_for_all = async || {
        for id in ids.clone() {
            Cache::scope(cache.clone(), rate(id)).await;
        }
    };
    let loads = LOADS.load(SeqCst);
    ask_for_all().await;
    assert_eq!(LOADS.load(SeqCst), loads + KEYS);
    // Each process refreshes a key at a time of its own between a half and three quarters of its life.
    sleep(Duration::from_millis(1_600)).await;
    ask_for_all().await;
    // Who takes its own entry for a newer one loads nothing.
    let refreshed = || LOADS.load(SeqCst) - loads - KEYS;
    until("all are refreshed", || refreshed() >= KEYS).await;
    assert_eq!(refreshed(), KEYS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_for_a_successor_does_not_take_its_own_entry_for_one() {
    let server = Server::start();
    assert_refreshed(&server.url(), 0..KEYS).await;
    let socket = format!("unix://{}", server.socket().display());
    assert_refreshed(&socket, KEYS..2 * KEYS).await;
}

//! A server, or somebody between it and us, that answers anything: well-formed replies of any shape, bytes that are none,
//! lengths that nobody has, and messages that nobody asked for.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::{
    panic,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use cache_core::{Cache, cached};
use tests::{
    anything::{Between, add_anything, change, far, resident, row},
    on_both_runtimes,
    rows::RowChanged,
    server::Server,
};

#[cached(ttl = 1h, batch(id in ids), invalidate_on = RowChanged { id })]
async fn rows(ids: &[u64]) -> std::collections::HashMap<u64, String> {
    ids.iter().map(|id| (*id, format!("rows {id}"))).collect()
}

/// A call waits for Redis no longer than its budget, with what a busy machine adds.
const PATIENCE: Duration = Duration::from_secs(2);

async fn call(cache: Cache, is_honest: Arc<AtomicBool>, mut id: u64) {
    row(id).await;
    is_honest.store(false, Relaxed);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        id += 1;
        let asked = Instant::now();
        assert_eq!(row(id).await, format!("row {id}"));
        assert_eq!(far(id % 50).await, format!("far {}", id % 50));
        let found = rows(&[id, id + 1, id % 7]).await;
        assert_eq!(found[&id], format!("rows {id}"));
        if id.is_multiple_of(5) {
            change(id % 50).await;
        }
        assert!(asked.elapsed() < PATIENCE, "{:?}", asked.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    is_honest.store(true, Relaxed);
    let begun = Instant::now();
    while cache.emit(RowChanged { id: 1 }).await.is_err() {
        assert!(begun.elapsed() < tests::SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn whatever_a_server_answers_calls_are_right_in_time_and_small() {
    static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    panic::set_hook(Box::new(|info| {
        PANICS.lock().unwrap().push(info.to_string());
    }));
    let (server, lies) = (Server::start(), Arc::<AtomicUsize>::default());
    on_both_runtimes(|_| async {
        let before = resident();
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..8 {
            let between = Between {
                lies: Arc::clone(&lies),
                ..Between::of(server.port())
            };
            let port = between.listen(20, add_anything);
            let builder = Cache::builder().namespace("untrusted");
            let builder = builder.staleness_bound(Duration::from_millis(400));
            let url = format!("redis://127.0.0.1:{port}/");
            let cache = builder.redis(url).build().await.unwrap();
            let calls_of_one = call(cache.clone(), between.is_honest, 1_000 * number);
            calls.spawn(Cache::scope(cache, calls_of_one));
        }
        while let Some(ended) = calls.join_next().await {
            ended.unwrap();
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 300 << 10, "{grown} kB");
    });
    let lies = lies.load(Relaxed);
    assert!(lies > 200, "{lies}");
    let panics = PANICS.lock().unwrap();
    assert!(panics.is_empty(), "{panics:#?}");
}

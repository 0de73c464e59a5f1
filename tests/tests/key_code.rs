//! A key is written by code of its own, which may wait, call, count or panic: that hurts nobody else. So may the end of a
//! value.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    missing_docs,
    missing_debug_implementations,
    reason = "a test may fail"
)]

use std::{
    process::Command,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use cache_core::{Cache, CacheKey, CachedCall, Eviction, KeyWriter, cached};
use futures::FutureExt as _;
use tests::{SOON, bounded, on_this_thread, rows::within};

async fn cache_of(eviction: Eviction) -> Cache {
    Cache::builder().eviction(eviction).build().await.unwrap()
}

static TENANT: RwLock<u64> = RwLock::new(1);

#[cached(ttl = 1h, key = (*TENANT.read().unwrap(), id))]
async fn of_tenant(id: u64) -> u64 {
    id
}

/// Configuration is replaced under its lock, and what was made of the old one forgotten. Nothing of this waits for anything
/// that the program can see.
fn replaced_while_called(eviction: Eviction) {
    bounded(SOON, move || {
        let cache = on_this_thread(cache_of(eviction));
        let is_over = Arc::new(AtomicBool::new(false));
        let (called, over) = (cache.clone(), Arc::clone(&is_over));
        let calling = thread::spawn(move || {
            on_this_thread(within(&called, async {
                let mut calls = 0_u64;
                while !over.load(SeqCst) {
                    calls += 1;
                    of_tenant(calls % 64).await;
                }
            }));
        });
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            let mut tenant = TENANT.write().unwrap();
            *tenant = 1;
            cache.clear();
            drop(tenant);
            thread::sleep(Duration::from_micros(500));
        }
        is_over.store(true, SeqCst);
        calling.join().unwrap();
    });
}

#[test]
fn a_key_that_reads_under_a_lock_hangs_nobody_who_clears_under_it() {
    replaced_while_called(Eviction::Adaptive);
}

#[test]
fn a_key_that_reads_under_a_lock_hangs_nobody_in_strict_order() {
    replaced_while_called(Eviction::Lru);
}

#[cached(ttl = 1h)]
async fn alias(id: u64) -> u64 {
    id + 1
}

struct Aliased(u64);

impl CacheKey for Aliased {
    fn write(&self, key: &mut KeyWriter<'_>) {
        // Where it is not in memory it stands for itself.
        alias(self.0).now_or_never().unwrap_or(self.0).write(key);
    }
}

#[cached(ttl = 1h, key = Aliased(id))]
async fn by_alias(id: u64) -> u64 {
    id
}

fn nested_keys(eviction: Eviction) {
    bounded(SOON, move || {
        on_this_thread(async {
            let cache = cache_of(eviction).await;
            within(&cache, async {
                alias(1).await;
                for _ in 0..1_000 {
                    assert_eq!(by_alias(1).await, 1);
                }
            })
            .await;
        });
    });
}

#[test]
fn a_key_that_asks_another_function_is_written() {
    nested_keys(Eviction::Adaptive);
}

#[test]
fn a_key_that_asks_another_function_is_written_in_strict_order() {
    nested_keys(Eviction::Lru);
}

static EVALUATED: AtomicU64 = AtomicU64::new(0);

fn counted(id: u64) -> u64 {
    EVALUATED.fetch_add(1, SeqCst);
    id
}

#[cached(ttl = 1h, key = counted(id))]
async fn with_counted_key(id: u64) -> u64 {
    id
}

#[tokio::test]
async fn a_key_is_evaluated_no_more_often_than_the_reference_says() {
    let cache = cache_of(Eviction::Adaptive).await;
    within(&cache, async {
        with_counted_key(1).await;
        assert!((2..=3).contains(&EVALUATED.swap(0, SeqCst)), "it missed");
        for _ in 0..100 {
            with_counted_key(1).await;
            assert!((2..=3).contains(&EVALUATED.swap(0, SeqCst)), "it hit");
        }
    })
    .await;
}

static PANICS_AT: AtomicU64 = AtomicU64::new(u64::MAX);
static WRITTEN: AtomicU64 = AtomicU64::new(0);

#[derive(Clone)]
struct Panics(u64);

impl CacheKey for Panics {
    fn write(&self, key: &mut KeyWriter<'_>) {
        key.group(|key| {
            1_u64.write(key);
            let run = WRITTEN.fetch_add(1, SeqCst);
            assert!(run != PANICS_AT.load(SeqCst), "half way");
            self.0.write(key);
        });
    }
}

#[cached(ttl = 1h)]
async fn by_panics(key: Panics) -> u64 {
    key.0
}

#[test]
fn a_key_that_panics_in_any_of_its_runs_hurts_nobody_else() {
    for eviction in [Eviction::Adaptive, Eviction::Lru] {
        bounded(SOON, move || {
            on_this_thread(async {
                let cache = cache_of(eviction).await;
                within(&cache, async {
                    for at in 0..400 {
                        let run = WRITTEN.load(SeqCst);
                        PANICS_AT.store(run + at % 5, SeqCst);
                        let id = at % 7;
                        let call = std::panic::AssertUnwindSafe(by_panics(Panics(id)));
                        if let Ok(value) = call.catch_unwind().await {
                            assert_eq!(value, id);
                        }
                        PANICS_AT.store(u64::MAX, SeqCst);
                        assert_eq!(by_panics(Panics(id)).await, id);
                    }
                })
                .await;
            });
        });
    }
}

/// As a session or a pooled connection that says goodbye in a task.
#[derive(Clone)]
struct Session {
    _goodbye: Arc<Goodbye>,
}

struct Goodbye;

impl Drop for Goodbye {
    fn drop(&mut self) {
        tokio::spawn(async {});
    }
}

#[cached(ttl = 1h, tiers = memory, weight = |_session| 64)]
async fn session(id: u64) -> Session {
    let _ = id;
    Session {
        _goodbye: Arc::new(Goodbye),
    }
}

/// Runs in a process of its own.
#[test]
#[ignore = "is begun by the next one"]
fn a_thread_that_ends() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let cache = runtime.block_on(cache_of(Eviction::Adaptive));
    // As a thread for blocking work that ends when it was idle for ten seconds.
    let (calling, handle) = (cache.clone(), runtime.handle().clone());
    let (over, is_over) = std::sync::mpsc::channel();
    let (go, may_go) = std::sync::mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        handle.block_on(within(&calling, async {
            for _ in 0..200 {
                drop(session(1).await);
            }
        }));
        drop((calling, handle));
        over.send(()).unwrap();
        may_go.recv().unwrap();
    });
    is_over.recv().unwrap();
    // It is forgotten within the runtime, where its `Drop` finds one.
    runtime.block_on(within(&cache, async {
        assert!(session(1).evict().await.is_ok());
    }));
    go.send(()).unwrap();
    assert!(thread.join().is_ok());
}

#[test]
fn a_value_that_was_evicted_long_ago_does_not_end_the_process_with_a_thread() {
    let this = std::env::current_exe().unwrap();
    let mut command = Command::new(this);
    command.args(["--exact", "a_thread_that_ends", "--ignored", "--nocapture"]);
    let ended = command.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}: {said}", ended.status);
}

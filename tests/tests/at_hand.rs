//! What threads hold of a cache is never behind what was acknowledged, whoever changes, evicts or clears meanwhile.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    missing_docs,
    missing_debug_implementations,
    reason = "a test may fail"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, Event, Eviction, cached};
use futures::FutureExt as _;
use rustix::time::{ClockId, clock_gettime};
use tests::{Random, on_this_thread, rows::within};

#[derive(Debug, Event)]
pub struct Changed {
    pub id: u64,
}

const KEYS: usize = 6;

#[derive(Default)]
struct Row {
    source: AtomicU64,
    acknowledged: AtomicU64,
    changing: tokio::sync::Mutex<()>,
    last_change: AtomicUsize,
}

struct Rows([Row; KEYS]);

fn place(id: u64) -> usize {
    usize::try_from(id).unwrap()
}

/// Its copies and its end call the cache.
struct Value {
    version: u64,
    id: u64,
    rows: Arc<Rows>,
}

impl Clone for Value {
    fn clone(&self) -> Self {
        if self.version.is_multiple_of(3) {
            // In whatever scope that is.
            let _ = echo(self.id).now_or_never();
        }
        Self {
            version: self.version,
            id: self.id,
            rows: Arc::clone(&self.rows),
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if self.version.is_multiple_of(5) {
            // In whatever scope that is.
            let _ = echo(self.id).now_or_never();
        }
    }
}

#[cached(ttl = 1h, key = id, tiers = memory, weight = |_value| 16, inline, invalidate_on = Changed { id })]
async fn with_event(id: u64, rows: Arc<Rows>) -> Value {
    let version = rows.0[place(id)].source.load(SeqCst);
    Value { version, id, rows }
}

#[cached(ttl = 1h, key = id, tiers = memory, weight = |_value| 16, inline)]
async fn by_hand(id: u64, rows: Arc<Rows>) -> Value {
    let version = rows.0[place(id)].source.load(SeqCst);
    Value { version, id, rows }
}

/// The same bytes of a key.
#[cached(ttl = 1h, key = id, tiers = memory, weight = |_value| 16, inline, invalidate_on = Changed { id })]
async fn other(id: u64, rows: Arc<Rows>) -> u64 {
    rows.0[place(id)].source.load(SeqCst)
}

#[cached(ttl = 1h, inline, invalidate_on = Changed { id })]
async fn echo(id: u64) -> u64 {
    id
}

/// Lives for 10 ms.
#[cached(ttl = 10ms, inline)]
async fn short(id: u64) -> Duration {
    let _ = id;
    coarse_now()
}

/// By the clock that lifetimes are measured by.
fn coarse_now() -> Duration {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    now.try_into().unwrap()
}

#[derive(Default)]
struct Seen {
    calls: AtomicU64,
    changes: AtomicU64,
    late: AtomicU64,
    lives: AtomicU64,
    too_old: AtomicU64,
}

async fn act(cache: &Cache, rows: &Arc<Rows>, random: &Random, seen: &Seen) {
    let id = random.below(KEYS);
    let (row, key) = (&rows.0[id], id as u64);
    let check = |function: &str, before: u64, version: u64| {
        seen.calls.fetch_add(1, SeqCst);
        if version < before {
            let change = row.last_change.load(SeqCst);
            eprintln!("`{function}` gave {version}, behind {before}; change {change} came last");
            seen.late.fetch_add(1, SeqCst);
        }
    };
    match random.below(400) {
        0..=3 => {
            let _changing = row.changing.lock().await;
            let version = row.source.fetch_add(1, SeqCst) + 1;
            // Both functions are told, each in its way.
            let change = random.below(4);
            row.last_change.store(change, SeqCst);
            match change {
                0 => cache.clear(),
                1 => {
                    let _ = by_hand(key, Arc::clone(rows)).evict().await;
                    cache.emit(Changed { id: key }).await.unwrap();
                }
                2 => {
                    let value = Value {
                        version,
                        id: key,
                        rows: Arc::clone(rows),
                    };
                    let _ = by_hand(key, Arc::clone(rows)).put(value).await;
                    cache.emit(Changed { id: key }).await.unwrap();
                }
                _ => {
                    let _ = by_hand(key, Arc::clone(rows)).refresh().await;
                    cache.emit(Changed { id: key }).await.unwrap();
                }
            }
            row.acknowledged.fetch_max(version, SeqCst);
            seen.changes.fetch_add(1, SeqCst);
        }
        4 => {
            // What was held is to be found nowhere else.
            for fill in 0..40 {
                let _ = short(1_000 + fill + random.below(5_000) as u64).await;
            }
        }
        5..=40 => {
            let at = coarse_now();
            let made = short(key).await;
            seen.lives.fetch_add(1, SeqCst);
            let is_too_old = made + Duration::from_millis(10) < at;
            seen.too_old.fetch_add(u64::from(is_too_old), SeqCst);
        }
        41..=200 => {
            let before = row.acknowledged.load(SeqCst);
            check(
                "with_event",
                before,
                with_event(key, Arc::clone(rows)).await.version,
            );
        }
        201..=300 => {
            let before = row.acknowledged.load(SeqCst);
            check("other", before, other(key, Arc::clone(rows)).await);
        }
        _ => {
            let before = row.acknowledged.load(SeqCst);
            check(
                "by_hand",
                before,
                by_hand(key, Arc::clone(rows)).await.version,
            );
        }
    }
}

fn cache_of(eviction: Eviction, memory: u64) -> Cache {
    let builder = Cache::builder().memory_limit(memory).eviction(eviction);
    on_this_thread(builder.build()).unwrap()
}

fn hammered(eviction: Eviction, seed: u64) {
    let caches = [(); 2].map(|()| cache_of(eviction, 8 << 20));
    let (is_over, found) = (AtomicBool::new(false), Seen::default());
    let all: Vec<Arc<Rows>> = (0..2)
        .map(|_| Arc::new(Rows(std::array::from_fn(|_| Row::default()))))
        .collect();
    thread::scope(|scope| {
        for place in 0..3 {
            let (caches, all, is_over, found) = (&caches, &all, &is_over, &found);
            scope.spawn(move || {
                let random = Random::of_seed(seed + place);
                while !is_over.load(SeqCst) {
                    let which = random.below(2);
                    let started = Instant::now();
                    on_this_thread(within(&caches[which], async {
                        for _ in 0..2_000 {
                            act(&caches[which], &all[which], &random, found).await;
                        }
                    }));
                    thread::sleep(started.elapsed() * 2);
                }
            });
        }
        thread::sleep(Duration::from_secs(5));
        is_over.store(true, SeqCst);
    });
    let late = found.late.load(SeqCst);
    assert_eq!(late, 0);
    // A thread may be kept waiting between the end of a load and the begin of its entry's life.
    let [lives, too_old] = [found.lives, found.too_old].map(AtomicU64::into_inner);
    assert!(too_old * 100 < lives, "{too_old} of {lives} were too old");
}

#[test]
fn what_threads_hold_is_never_behind() {
    hammered(Eviction::Adaptive, 17);
}

#[test]
fn what_threads_hold_is_never_behind_in_strict_order() {
    hammered(Eviction::Lru, 71);
}

static SOURCE: AtomicU64 = AtomicU64::new(0);

#[cached(ttl = 1h, inline)]
async fn one() -> u64 {
    SOURCE.load(SeqCst)
}

#[cached(ttl = 1h, inline)]
async fn filler(id: u64) -> u64 {
    id
}

/// Changes its source, evicts, and calls: all in one thread. Another one clears now and then.
fn evicted_beside_a_clear(eviction: Eviction, fillers: u64, within_time: Duration) {
    let cache = cache_of(eviction, 256 << 20);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            on_this_thread(within(&cache, async {
                while !is_over.load(SeqCst) {
                    for id in 0..fillers {
                        filler(id).await;
                    }
                    cache.clear();
                }
            }));
        });
        let mut late = 0_u64;
        on_this_thread(within(&cache, async {
            let started = Instant::now();
            while started.elapsed() < within_time {
                // Until it is at hand.
                for _ in 0..60 {
                    one().await;
                }
                let newest = SOURCE.fetch_add(1, SeqCst) + 1;
                one().evict().await.unwrap();
                let served = one().await;
                late += u64::from(served < newest);
            }
        }));
        is_over.store(true, SeqCst);
        assert_eq!(late, 0);
    });
}

#[test]
fn who_evicts_is_not_served_what_was_before_while_another_one_clears_in_strict_order() {
    evicted_beside_a_clear(Eviction::Lru, 100_000, Duration::from_secs(3));
}

#[test]
fn who_evicts_is_not_served_what_was_before_while_another_one_clears() {
    evicted_beside_a_clear(Eviction::Adaptive, 100, Duration::from_secs(4));
}

/// The same, in many rounds: one thread fills and clears, and another one, which has an entry at hand, evicts that
/// meanwhile.
#[test]
fn who_evicts_in_the_middle_of_a_clear_is_not_served_what_was_before() {
    const FILLERS: u64 = 30_000;
    let cache = cache_of(Eviction::Lru, 256 << 20);
    let (at_hand, cleared) = (std::sync::Barrier::new(2), AtomicU64::new(0));
    let mut late = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            on_this_thread(within(&cache, async {
                for round in 1..=10 {
                    at_hand.wait();
                    for id in 0..FILLERS {
                        filler(id).await;
                    }
                    cleared.store(round, SeqCst);
                    cache.clear();
                }
            }));
        });
        on_this_thread(within(&cache, async {
            for round in 1..=10 {
                // It is the oldest of all, and at hand.
                for _ in 0..200 {
                    one().await;
                }
                at_hand.wait();
                while cleared.load(SeqCst) < round {
                    std::hint::spin_loop();
                }
                thread::sleep(Duration::from_micros(100 * (round % 20)));
                let newest = SOURCE.fetch_add(1, SeqCst) + 1;
                one().evict().await.unwrap();
                let served = one().await;
                late += u64::from(served < newest);
                one().await;
            }
        }));
    });
    assert_eq!(late, 0);
}

//! Attacks on functions of many keys: past the cache, given up, with keys that panic, one in another.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use cache_core::{Cache, CachedCall, Event, Policy, TimedOut, cached, testing::ManualClock};
use tests::on_both_runtimes;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

type Sent<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Map = HashMap<u64, u64>;

/// Whether it ends within five seconds.
async fn ends<F: Future>(call: F) -> F::Output {
    tokio::time::timeout(5 * SECOND, call)
        .await
        .expect("it hangs")
}

fn same(ids: &[u64]) -> Map {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    No,
    Late(TimedOut),
}
impl From<TimedOut> for Failure {
    fn from(late: TimedOut) -> Self {
        Self::Late(late)
    }
}

/// A thing is another one.
#[derive(Debug, Event)]
pub struct Changed {
    pub id: u64,
}

fn paused<F: Future<Output = ()>>(test: impl FnOnce(ManualClock, Cache) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
        Cache::scope(cache.clone(), test(clock, cache)).await;
    });
}

fn tree_of(id: u64) -> Sent<Map> {
    Box::pin(async move { tree(&[id - 1]).await })
}

/// One that asks for other keys of itself.
#[cached(ttl = 1h, batch(id in ids), max_concurrent_loads = 1)]
async fn tree(ids: &[u64]) -> Map {
    for id in ids {
        if *id > 0 {
            tree_of(*id).await;
        }
    }
    same(ids)
}

#[test]
fn a_batch_that_calls_itself_ends_where_the_cache_is_off() {
    on_both_runtimes(|_| async {
        let call = Cache::scope(Cache::disabled(), tree(&[2]));
        assert_eq!(ends(call).await.len(), 1);
    });
}

#[test]
fn a_batch_that_calls_itself_ends_where_it_is_bypassed() {
    on_both_runtimes(|_| async {
        assert_eq!(ends(tree(&[2]).bypass()).await.unwrap().len(), 1);
    });
}

#[test]
fn a_bypass_that_was_given_up_leaves_a_function_that_works() {
    on_both_runtimes(|_| async {
        let _ = tokio::time::timeout(SECOND, tree(&[2]).bypass()).await;
        assert_eq!(ends(tree(&[0])).await.len(), 1);
    });
}

#[test]
fn a_batch_that_calls_itself_ends_where_a_policy_says_off() {
    let policies: HashMap<String, Policy> =
        serde_json::from_str(r#"{ "tree": { "off": true } }"#).unwrap();
    on_both_runtimes(|_| async {
        let cache = Cache::builder()
            .policies(policies.clone())
            .build()
            .await
            .unwrap();
        assert_eq!(ends(Cache::scope(cache, tree(&[2]))).await.len(), 1);
    });
}

fn default_tree_of(id: u64) -> Sent<Map> {
    Box::pin(async move { default_tree(&[id - 1]).await })
}

/// The same with as many loads at once as unless said, and a source that takes its time.
#[cached(ttl = 1h, batch(id in ids))]
async fn default_tree(ids: &[u64]) -> Map {
    tokio::time::sleep(5 * MS).await;
    for id in ids {
        if *id % 100 > 0 {
            default_tree_of(*id).await;
        }
    }
    same(ids)
}

#[test]
fn sixteen_callers_of_a_batch_that_calls_itself_once_end_where_the_cache_is_off() {
    on_both_runtimes(|_| async {
        let cache = Cache::disabled();
        // Each in a moment of its own, so that they do not share loads.
        let mut calls = Vec::new();
        for n in 0..16_u64 {
            calls.push(tests::spawn_in(&cache, async move {
                default_tree(&[n * 100 + 1]).await
            }));
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            std::thread::sleep(MS / 10);
        }
        for call in calls {
            assert_eq!(ends(call).await.unwrap().len(), 1);
        }
    });
}

#[test]
fn with_the_cache_off_each_call_runs_the_body_for_itself() {
    static RUNS: Mutex<Vec<Vec<u64>>> = Mutex::new(Vec::new());
    #[cached(ttl = 1h, batch(id in ids))]
    async fn plain(ids: &[u64]) -> Result<Map, Failure> {
        RUNS.lock().unwrap().push(ids.to_vec());
        if ids.contains(&666) {
            Err(Failure::No)
        } else {
            Ok(same(ids))
        }
    }
    on_both_runtimes(|_| async {
        RUNS.lock().unwrap().clear();
        let call = async { futures::join!(plain(&[1]), plain(&[666])) };
        let (good, bad) = Cache::scope(Cache::disabled(), call).await;
        assert_eq!(bad, Err(Failure::No));
        assert_eq!(good, Ok(same(&[1])), "of {:?}", RUNS.lock().unwrap());
        assert_eq!(RUNS.lock().unwrap().len(), 2);
    });
}

#[test]
fn no_other_call_notices_a_bypass() {
    #[cached(ttl = 1h, batch(id in ids))]
    async fn plain(ids: &[u64]) -> Result<Map, Failure> {
        if ids.contains(&666) {
            Err(Failure::No)
        } else {
            Ok(same(ids))
        }
    }
    on_both_runtimes(|_| async {
        let (good, bad) = futures::join!(plain(&[1]), plain(&[666]).bypass());
        assert_eq!(bad.unwrap(), Err(Failure::No));
        assert_eq!(good, Ok(same(&[1])));
    });
}

#[test]
fn a_bypass_that_is_dropped_ends_its_body() {
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    #[cached(ttl = 1h, batch(id in ids))]
    async fn plain(ids: &[u64]) -> Map {
        tokio::time::sleep(50 * MS).await;
        ENDED.fetch_add(1, SeqCst);
        same(ids)
    }
    on_both_runtimes(|_| async {
        ENDED.store(0, SeqCst);
        tokio::time::timeout(20 * MS, plain(&[1]).bypass())
            .await
            .unwrap_err();
        tokio::time::sleep(100 * MS).await;
        assert_eq!(ENDED.load(SeqCst), 0);
    });
}

#[test]
fn the_slot_of_a_background_load_that_is_given_up_is_free() {
    static HANGS: AtomicBool = AtomicBool::new(false);
    #[cached(ttl = 10s, batch(id in ids), strategy = stale_while_revalidate(1h), max_concurrent_loads = 1)]
    async fn swr(ids: &[u64]) -> Map {
        if HANGS.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        same(ids)
    }
    paused(|clock, _| async move {
        swr(&[1]).await;
        clock.advance(20 * SECOND);
        HANGS.store(true, SeqCst);
        assert_eq!(swr(&[1]).await.len(), 1);
        tokio::time::sleep(SECOND).await;
        HANGS.store(false, SeqCst);
        // Longer than a minute: it is given up.
        tokio::time::sleep(70 * SECOND).await;
        assert_eq!(ends(swr(&[2])).await.len(), 1);
    });
}

#[test]
fn a_background_load_that_is_given_up_is_dropped() {
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    struct Runs;
    impl Drop for Runs {
        fn drop(&mut self) {
            RUNNING.fetch_sub(1, SeqCst);
        }
    }
    static HANGS: AtomicBool = AtomicBool::new(false);
    #[cached(ttl = 10s, batch(id in ids), strategy = stale_while_revalidate(1h))]
    async fn swr(ids: &[u64]) -> Map {
        if HANGS.load(SeqCst) {
            RUNNING.fetch_add(1, SeqCst);
            let _runs = Runs;
            std::future::pending::<()>().await;
        }
        same(ids)
    }
    paused(|clock, _| async move {
        swr(&[1]).await;
        clock.advance(20 * SECOND);
        HANGS.store(true, SeqCst);
        // A source that hangs while the key is asked for, once in a while.
        for _ in 0..5 {
            assert_eq!(swr(&[1]).await.len(), 1);
            tokio::time::sleep(70 * SECOND).await;
            clock.advance(70 * SECOND);
        }
        assert!(
            RUNNING.load(SeqCst) <= 1,
            "{} bodies hang",
            RUNNING.load(SeqCst)
        );
    });
}

#[test]
fn the_slot_of_a_load_that_timed_out_and_is_given_up_is_free() {
    static HANGS: AtomicBool = AtomicBool::new(true);
    #[cached(ttl = 10s, batch(id in ids), timeout = 1s, max_concurrent_loads = 1)]
    async fn bounded(ids: &[u64]) -> Result<Map, Failure> {
        if HANGS.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(same(ids))
    }
    paused(|_, _| async move {
        assert!(bounded(&[1]).await.is_err());
        HANGS.store(false, SeqCst);
        tokio::time::sleep(200 * SECOND).await;
        assert_eq!(bounded(&[2]).await.map(|found| found.len()), Ok(1));
    });
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

#[test]
fn with_a_timeout_the_panic_of_a_load_is_that_of_the_body() {
    #[cached(ttl = 1h, batch(id in ids), timeout = 5s)]
    async fn bounded(ids: &[u64]) -> Result<Map, Failure> {
        assert!(!ids.contains(&666), "the reason");
        Ok(same(ids))
    }
    on_both_runtimes(|cache| async move {
        let call = tests::spawn_in(&cache, async { bounded(&[666]).await });
        let panic = ends(call).await.unwrap_err().into_panic();
        assert_eq!(message(&*panic), "the reason");
    });
}

#[test]
fn with_a_timeout_the_panic_of_anothers_load_is_not_that_of_all() {
    #[cached(ttl = 1h, batch(id in ids), timeout = 5s)]
    async fn bounded(ids: &[u64]) -> Result<Map, Failure> {
        assert!(!ids.contains(&666), "the reason");
        Ok(same(ids))
    }
    on_both_runtimes(|cache| async move {
        let mut panicked = Vec::new();
        for _ in 0..20 {
            cache.clear();
            let call = |id: u64| tests::spawn_in(&cache, async move { bounded(&[id]).await });
            // The one whose keys are fine comes last, or first.
            let (good, bad) = (call(1), call(666));
            assert!(ends(bad).await.is_err());
            panicked.push(ends(good).await.is_err());
        }
        assert!(!panicked.contains(&true), "{panicked:?}");
    });
}

static POISONED: AtomicUsize = AtomicUsize::new(0);

#[cached(ttl = 1h, batch(id in ids))]
async fn poisonous(ids: &[u64]) -> Map {
    if ids.contains(&666) {
        POISONED.fetch_add(1, SeqCst);
        tokio::task::yield_now().await;
        panic!("the reason");
    }
    same(ids)
}

#[test]
fn one_poisonous_key_is_the_panic_of_its_own_caller_and_of_one_other_at_most() {
    on_both_runtimes(|cache| async move {
        POISONED.store(0, SeqCst);
        let call = |id: u64| tests::spawn_in(&cache, async move { poisonous(&[id]).await });
        let good: Vec<_> = (0..50).map(call).collect();
        let bad = call(666);
        let mut panicked = 0;
        for call in good {
            panicked += usize::from(ends(call).await.is_err());
        }
        let _ = ends(bad).await;
        assert!(
            panicked <= 1,
            "{panicked} callers panic by a key of another; {} loads",
            POISONED.load(SeqCst)
        );
    });
}

#[test]
fn a_prefetch_of_a_poisonous_key_panics_nobody() {
    on_both_runtimes(|cache| async move {
        let prefetch = tests::spawn_in(&cache, async { poisonous(&[666]).prefetch().await });
        let call = tests::spawn_in(&cache, async { poisonous(&[1]).await });
        ends(prefetch).await.unwrap().unwrap();
        assert!(ends(call).await.is_ok());
    });
}

#[test]
fn batches_are_warmed() {
    #[cached(ttl = 1h, batch(id in ids))]
    async fn things(ids: Vec<u64>) -> Map {
        same(&ids)
    }
    on_both_runtimes(|cache| async move {
        let all: Vec<u64> = (0..1_000).collect();
        let warmed = cache
            .warm(all.chunks(100).map(|ids| things(ids.to_vec())))
            .run()
            .await;
        assert_eq!(warmed.uncached, 0, "{warmed}");
        assert_eq!(cache.stats().entries, 1_000, "{warmed}");
    });
}

#[test]
fn an_event_overtakes_a_background_load_of_several_keys() {
    static OPEN: AtomicBool = AtomicBool::new(true);
    static VALUE: AtomicU64 = AtomicU64::new(1);
    #[cached(ttl = 100s, batch(id in ids), strategy = refresh_ahead(0.5), invalidate_on = Changed { id })]
    async fn ahead(ids: &[u64]) -> Map {
        let value = VALUE.load(SeqCst);
        while !OPEN.load(SeqCst) {
            tokio::time::sleep(MS).await;
        }
        ids.iter().map(|id| (*id, value)).collect()
    }
    paused(|clock, cache| async move {
        ahead(&[1, 2]).await;
        clock.advance(90 * SECOND);
        OPEN.store(false, SeqCst);
        VALUE.store(2, SeqCst);
        assert_eq!(ahead(&[1, 2]).await[&1], 1);
        tokio::time::sleep(10 * MS).await;
        VALUE.store(3, SeqCst);
        cache.emit(Changed { id: 1 }).await.unwrap();
        OPEN.store(true, SeqCst);
        tokio::time::sleep(10 * MS).await;
        let found = ahead(&[1, 2]).await;
        assert_eq!((found[&1], found[&2]), (3, 2));
        tokio::time::sleep(10 * MS).await;
        assert_eq!(ahead(&[1, 2]).await[&1], 3);
    });
}

/// One caller asks for a key that the source refuses, at the moment when another asks for one that is fine.
#[test]
fn an_error_about_anothers_key_is_not_remembered_for_mine() {
    #[cached(ttl = 1h, err_ttl = 1h, batch(id in ids))]
    async fn refusing(ids: &[u64]) -> Result<Map, Failure> {
        if ids.contains(&666) {
            Err(Failure::No)
        } else {
            Ok(same(ids))
        }
    }
    on_both_runtimes(|cache| async move {
        let call = |id: u64| tests::spawn_in(&cache, async move { refusing(&[id]).await });
        let (mine, other) = (call(1), call(666));
        let _ = (ends(mine).await, ends(other).await);
        assert_eq!(refusing(&[1]).await, Ok(same(&[1])));
    });
}

#[test]
fn as_many_loads_run_at_once_as_the_function_says_also_where_each_asks_for_many_keys() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    #[cached(ttl = 1h, batch(id in ids, max = 1_000))]
    async fn inner(ids: &[u64]) -> Map {
        tokio::time::sleep(100 * MS).await;
        same(ids)
    }
    #[cached(ttl = 1h, batch(id in ids), max_concurrent_loads = 1)]
    async fn outer(ids: &[u64]) -> Map {
        MOST.fetch_max(RUNS.fetch_add(1, SeqCst) + 1, SeqCst);
        let all: Vec<u64> = ids
            .iter()
            .flat_map(|id| (0..300).map(move |n| id * 1_000 + n))
            .collect();
        inner(&all).await;
        RUNS.fetch_sub(1, SeqCst);
        same(ids)
    }
    on_both_runtimes(|cache| async move {
        let mut calls = Vec::new();
        for id in 0..4 {
            calls.push(tests::spawn_in(&cache, async move { outer(&[id]).await }));
            tokio::time::sleep(20 * MS).await;
        }
        for call in calls {
            ends(call).await.unwrap();
        }
        assert_eq!(MOST.load(SeqCst), 1);
    });
}

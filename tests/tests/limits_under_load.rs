//! What time limits do under a burst of callers, and who waits for a successor that cannot be loaded is served.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_core::{Cache, Policy, TimedOut, cached, testing::ManualClock};
use futures::future::join_all;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

const SOFT: Duration = Duration::from_millis(600);
const HARD: Duration = Duration::from_millis(100);

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

/// An error as most are: not `Clone`.
#[derive(Debug)]
struct Raw;
impl From<TimedOut> for Raw {
    fn from(_: TimedOut) -> Self {
        Self
    }
}

#[derive(Clone, Debug, Default)]
struct Source(Arc<State>);
#[derive(Debug, Default)]
struct State {
    begun: AtomicU64,
    took: AtomicU64,
    fails: AtomicBool,
    hangs: AtomicBool,
}
impl Source {
    fn taking(took: u64) -> Self {
        let source = Self::default();
        source.0.took.store(took, SeqCst);
        source
    }
    async fn load(&self) -> Result<u64, Failure> {
        let number = self.0.begun.fetch_add(1, SeqCst) + 1;
        if self.0.hangs.load(SeqCst) {
            while self.0.hangs.load(SeqCst) {
                tokio::time::sleep(MS).await;
            }
        }
        let took = self.0.took.load(SeqCst);
        if took > 0 {
            tokio::time::sleep(Duration::from_millis(took)).await;
        }
        if self.0.fails.load(SeqCst) {
            return Err(Failure::No);
        }
        Ok(number)
    }
    fn begun(&self) -> u64 {
        self.0.begun.load(SeqCst)
    }
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(ManualClock, Cache) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
        Cache::scope(cache.clone(), test(clock, cache)).await;
    });
}

/// The macro refuses this of literals.
#[cached(ttl = 10s, skip(source), strategy = stale_if_error(1h), soft_timeout = SOFT, timeout = HARD)]
async fn constants(source: &Source, id: u64) -> Result<u64, Failure> {
    source.load().await
}

#[test]
fn a_timeout_that_is_sooner_than_the_soft_one_by_constants_holds() {
    run(|_, _| async {
        let source = Source::taking(2_000);
        let begun = Instant::now();
        let late = constants(&source, 1).await;
        let took = begun.elapsed();
        assert!(matches!(late, Err(Failure::Late(_))), "{late:?}");
        assert!(took < 500 * MS, "`timeout = 100ms`, waited {took:?}");
    });
}

#[cached(ttl = 10s, skip(source), strategy = stale_if_error(1h), soft_timeout = 600ms, timeout = 2s)]
async fn configured(source: &Source, id: u64) -> Result<u64, Failure> {
    source.load().await
}

/// A configuration shortens `timeout` alone, below what the attribute has as `soft_timeout`.
#[test]
fn a_timeout_that_a_policy_makes_sooner_than_the_soft_one_of_the_attribute_holds() {
    run(|_, _| async {
        let policies: HashMap<String, Policy> =
            serde_json::from_str(r#"{ "configured": { "timeout": "100ms" } }"#).unwrap();
        let cache = Cache::builder().policies(policies).build().await.unwrap();
        let source = Source::taking(3_000);
        let begun = Instant::now();
        let late = Cache::scope(cache, configured(&source, 1)).await;
        let took = begun.elapsed();
        assert!(matches!(late, Err(Failure::Late(_))), "{late:?}");
        assert!(took < 500 * MS, "`timeout: 100ms`, waited {took:?}");
    });
}

#[cached(ttl = 10s, skip(source), strategy = stale_if_error(1h), timeout = 100ms)]
async fn hard_only(source: &Source, id: u64) -> Result<u64, Failure> {
    source.load().await
}

/// "a `soft_timeout` that does nothing beside the attribute is warned of": it does nothing.
#[test]
fn a_soft_timeout_of_a_policy_that_does_nothing_does_nothing() {
    run(|_, _| async {
        let policies: HashMap<String, Policy> =
            serde_json::from_str(r#"{ "hard_only": { "soft_timeout": "800ms" } }"#).unwrap();
        let cache = Cache::builder().policies(policies).build().await.unwrap();
        let source = Source::taking(3_000);
        let begun = Instant::now();
        let late = Cache::scope(cache, hard_only(&source, 1)).await;
        let took = begun.elapsed();
        assert!(matches!(late, Err(Failure::Late(_))), "{late:?}");
        assert!(took < 500 * MS, "`timeout = 100ms`, waited {took:?}");
    });
}

/// A batch too.
#[cached(
    ttl = 10s, skip(source), strategy = stale_if_error(1h), soft_timeout = SOFT, timeout = HARD, batch(id in ids)
)]
async fn constant_batch(source: &Source, ids: &[u64]) -> Result<HashMap<u64, u64>, Failure> {
    let value = source.load().await?;
    Ok(ids.iter().map(|id| (*id, value)).collect())
}

#[test]
fn a_timeout_of_a_batch_that_is_sooner_than_the_soft_one_by_constants_holds() {
    run(|_, _| async {
        let source = Source::taking(2_000);
        let begun = Instant::now();
        constant_batch(&source, &[1, 2]).await.unwrap_err();
        let took = begun.elapsed();
        assert!(took < 500 * MS, "`timeout = 100ms`, waited {took:?}");
    });
}

#[cached(ttl = 1h, skip(source), timeout = 100ms, max_concurrent_loads = 2)]
async fn queued(source: &Source, id: u64) -> Result<u64, Failure> {
    source.load().await
}

/// The same with the limit of its callers.
#[cached(ttl = 1h, skip(source), max_concurrent_loads = 2)]
async fn queued_without(source: &Source, id: u64) -> Result<u64, Failure> {
    source.load().await
}

#[test]
fn loads_that_have_not_begun_when_their_callers_have_timed_out_are_not_begun_beyond_the_limit() {
    run(|_, _| async {
        let source = Source::taking(20);
        let calls = (0..400).map(|id| {
            let source = source.clone();
            async move { queued(&source, id).await }
        });
        let late = join_all(calls).await;
        let late = late.iter().filter(|call| call.is_err()).count();
        let begun = source.begun();
        eprintln!("{late} were late, {begun} begun by then");
        tokio::time::sleep(5 * SECOND).await;
        let behind = source.begun() - begun;
        assert!(
            behind <= 64,
            "{behind} loads were begun for which nobody waited any more"
        );
    });
}

/// A burst, and then one caller at a time. The source could answer it at once.
async fn recovers<F: Future<Output = bool>>(call: impl Fn(u64) -> F) -> Duration {
    join_all((0..400).map(&call)).await;
    let begun = Instant::now();
    for id in 1_000.. {
        if call(id).await {
            return begun.elapsed();
        }
    }
    unreachable!()
}

#[test]
fn a_function_with_a_timeout_is_well_again_behind_a_burst() {
    run(|_, _| async {
        let source = Source::taking(20);
        let without = recovers(|id| {
            let source = source.clone();
            async move {
                let call = queued_without(&source, id);
                matches!(tokio::time::timeout(100 * MS, call).await, Ok(Ok(_)))
            }
        })
        .await;
        let source = Source::taking(20);
        let with = recovers(|id| {
            let source = source.clone();
            async move { queued(&source, id).await.is_ok() }
        })
        .await;
        eprintln!(
            "well again after {with:?} with `timeout`, {without:?} where callers have their own"
        );
        assert!(without < 3 * SECOND, "control: {without:?}");
        assert!(
            with < 3 * SECOND,
            "every call failed for {with:?} behind a burst, {without:?} where callers have their own limit"
        );
    });
}

#[cached(ttl = 1h, skip(source), timeout = 100ms, max_concurrent_loads = 1, batch(id in ids, max = 10))]
async fn queued_batch(source: &Source, ids: &[u64]) -> Result<HashMap<u64, u64>, Failure> {
    let value = source.load().await?;
    Ok(ids.iter().map(|id| (*id, value)).collect())
}

#[test]
fn loads_of_batches_that_have_not_begun_when_their_callers_have_timed_out_are_not_begun() {
    run(|_, _| async {
        let source = Source::taking(40);
        let calls = (0..100_u64).map(|call| {
            let source = source.clone();
            async move {
                let ids: Vec<u64> = (call * 10..call * 10 + 10).collect();
                queued_batch(&source, &ids).await
            }
        });
        let late = join_all(calls).await;
        let late = late.iter().filter(|call| call.is_err()).count();
        let begun = source.begun();
        eprintln!("{late} were late, {begun} begun by then");
        tokio::time::sleep(6 * SECOND).await;
        let behind = source.begun() - begun;
        assert!(
            4 * behind <= late as u64,
            "{late} were late, and {behind} loads of ten keys were begun for which nobody waited any more"
        );
    });
}

#[test]
fn a_batch_with_a_timeout_is_well_again_behind_a_burst() {
    run(|_, _| async {
        let source = Source::taking(40);
        let with = recovers(|id| {
            let source = source.clone();
            async move { queued_batch(&source, &[id]).await.is_ok() }
        });
        eprintln!("well again after {:?}", with.await);
        let source = Source::taking(40);
        let call = |call: u64| {
            let source = source.clone();
            async move {
                let ids: Vec<u64> = (call * 10..call * 10 + 10).collect();
                queued_batch(&source, &ids).await.is_ok()
            }
        };
        join_all((0..100).map(call)).await;
        let begun = Instant::now();
        for id in 1_000.. {
            if call(id).await {
                break;
            }
        }
        let took = begun.elapsed();
        assert!(
            took < 3 * SECOND,
            "every call failed for {took:?} behind a burst"
        );
    });
}

#[cached(ttl = 10s, skip(source), strategy = [stale_while_revalidate(10s), stale_if_error(1h)])]
async fn raw(source: &Source, id: u64) -> Result<u64, Raw> {
    source.load().await.map_err(|_| Raw)
}

/// Callers wait for the load of a successor that began in the background, and it fails.
#[test]
fn those_who_wait_for_a_refresh_that_fails_are_served_the_old_value_and_load_nothing() {
    run(|clock, _| async move {
        let source = Source::default();
        raw(&source, 1).await.unwrap();
        clock.advance(15 * SECOND);
        source.0.hangs.store(true, SeqCst);
        raw(&source, 1).await.unwrap();
        tests::until("the refresh begins", || source.begun() == 2).await;
        clock.advance(10 * SECOND);
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let source = source.clone();
                tests::spawn_in(&Cache::current(), async move { raw(&source, 1).await })
            })
            .collect();
        tokio::time::sleep(50 * MS).await;
        assert_eq!(source.begun(), 2, "they wait for it");
        source.0.fails.store(true, SeqCst);
        source.0.took.store(20, SeqCst);
        source.0.hangs.store(false, SeqCst);
        for call in calls {
            assert_eq!(call.await.unwrap().ok(), Some(1));
        }
        assert_eq!(source.begun(), 2, "one has just failed");
    });
}

#[cached(ttl = 100s, skip(source), strategy = [refresh_ahead(0.8), stale_if_error(1h)])]
async fn raw_ahead(source: &Source, id: u64) -> Result<u64, Raw> {
    source.load().await.map_err(|_| Raw)
}

/// The same where the value ends while its successor is loaded.
#[test]
fn those_who_wait_for_a_refresh_ahead_that_fails_are_served_the_old_value_and_load_nothing() {
    run(|clock, _| async move {
        let source = Source::default();
        raw_ahead(&source, 1).await.unwrap();
        clock.advance(95 * SECOND);
        source.0.hangs.store(true, SeqCst);
        raw_ahead(&source, 1).await.unwrap();
        tests::until("the refresh begins", || source.begun() == 2).await;
        clock.advance(10 * SECOND);
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let source = source.clone();
                tests::spawn_in(
                    &Cache::current(),
                    async move { raw_ahead(&source, 1).await },
                )
            })
            .collect();
        tokio::time::sleep(50 * MS).await;
        source.0.fails.store(true, SeqCst);
        source.0.took.store(20, SeqCst);
        source.0.hangs.store(false, SeqCst);
        for call in calls {
            assert_eq!(call.await.unwrap().ok(), Some(1));
        }
        assert_eq!(source.begun(), 2, "one has just failed");
    });
}

/// Control: the same of a load that the first of the callers has begun.
#[test]
fn control_those_who_wait_for_a_load_that_fails_are_served_the_old_value_and_load_nothing() {
    run(|clock, _| async move {
        let source = Source::default();
        raw(&source, 1).await.unwrap();
        clock.advance(25 * SECOND);
        source.0.hangs.store(true, SeqCst);
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let source = source.clone();
                tests::spawn_in(&Cache::current(), async move { raw(&source, 1).await })
            })
            .collect();
        tokio::time::sleep(50 * MS).await;
        source.0.fails.store(true, SeqCst);
        source.0.took.store(20, SeqCst);
        source.0.hangs.store(false, SeqCst);
        for call in calls {
            assert_eq!(call.await.unwrap().ok(), Some(1));
        }
        assert_eq!(source.begun(), 2, "one has just failed");
    });
}

//! Loads that hang, of functions without a time limit, when nobody waits for them any more.

use super::{Arc, AtomicU64, Cache, Duration, MS, Map, SECOND, SeqCst, cached};
use cache_core::{CachedCall, TimedOut};
use tokio::time::{Instant, sleep, timeout};

/// It hangs when it is asked for the first time, and then gives how often it was asked.
#[derive(Clone, Debug, Default)]
struct Hanging(Arc<AtomicU64>);

impl Hanging {
    async fn ask(&self) -> u64 {
        let asked = self.0.fetch_add(1, SeqCst) + 1;
        if asked == 1 {
            std::future::pending::<()>().await;
        }
        asked
    }
}

#[cached(ttl = 1h, skip(source))]
async fn value(source: Hanging) -> u64 {
    source.ask().await
}

#[cached(ttl = 1h, skip(source), max_concurrent_loads = 1)]
async fn one_at_a_time(source: Hanging, id: u64) -> u64 {
    source.ask().await + id
}

#[cached(ttl = 1h, skip(source), timeout = 9s)]
async fn limited(source: Hanging) -> Result<u64, TimedOut> {
    Ok(source.ask().await)
}

#[cached(ttl = 1h, skip(source), max_concurrent_loads = 1, batch(id in ids))]
async fn many(source: Hanging, ids: &[u64]) -> Map {
    let asked = source.ask().await;
    ids.iter().map(|id| (*id, asked)).collect()
}

/// Many of it in turn take longer than one may.
#[cached(ttl = 1h, max_concurrent_loads = 1)]
async fn in_turn(id: u64) -> u64 {
    sleep(8 * SECOND).await;
    id
}

#[cached(ttl = 1h)]
async fn slow(takes: Duration) -> bool {
    sleep(takes).await;
    true
}

/// What a call is given after the first one has gone, and when.
async fn behind_one_that_has_gone() -> (u64, Duration) {
    let (source, began) = (Hanging::default(), Instant::now());
    timeout(50 * MS, value(source.clone())).await.unwrap_err();
    (value(source).await, began.elapsed())
}

async fn behind_a_prefetch() -> (u64, Duration) {
    let (source, began) = (Hanging::default(), Instant::now());
    let _ = value(source.clone()).prefetch().await;
    (value(source).await, began.elapsed())
}

/// Each call waits for the hung load, in vain, until that is given up.
async fn behind_a_prefetch_with_a_timeout() -> (u64, Duration) {
    let (source, began) = (Hanging::default(), Instant::now());
    let _ = limited(source.clone()).prefetch().await;
    loop {
        if let Ok(value) = limited(source.clone()).await {
            return (value, began.elapsed());
        }
    }
}

async fn behind_its_slot() -> (u64, Duration) {
    let (source, began) = (Hanging::default(), Instant::now());
    let gone = one_at_a_time(source.clone(), 0);
    timeout(50 * MS, gone).await.unwrap_err();
    (one_at_a_time(source, 0).await, began.elapsed())
}

/// With a key of the hung load, or another one.
async fn behind_many(id: u64) -> (u64, Duration) {
    let (source, began) = (Hanging::default(), Instant::now());
    let gone = many(source.clone(), &[1]);
    timeout(50 * MS, gone).await.unwrap_err();
    (many(source, &[id]).await[&id], began.elapsed())
}

/// How many of ten prefetches are there in the end.
async fn prefetched_in_turn() -> usize {
    for id in 0..10 {
        let _ = in_turn(id).prefetch().await;
    }
    sleep(85 * SECOND).await;
    let mut there = 0;
    for id in 0..10 {
        there += usize::from(in_turn(id).peek().await.is_some());
    }
    there
}

async fn alone<F: Future>(call: F) -> F::Output {
    let cache = Cache::builder().build().await.unwrap();
    Cache::scope(cache, call).await
}

#[tokio::test]
async fn a_load_that_hangs_is_given_up_a_minute_after_its_caller() {
    let (gone, prefetch, limited, slot, many, other, waited_for, in_turn) = tokio::join!(
        alone(behind_one_that_has_gone()),
        alone(behind_a_prefetch()),
        alone(behind_a_prefetch_with_a_timeout()),
        alone(behind_its_slot()),
        alone(behind_many(1)),
        alone(behind_many(2)),
        alone(timeout(66 * SECOND, slow(63 * SECOND))),
        alone(prefetched_in_turn()),
    );
    for (value, after) in [gone, prefetch, limited, slot, many, other] {
        assert_eq!(value, 2);
        assert!(after > 59 * SECOND && after < 65 * SECOND, "{after:?}");
    }
    assert_eq!(waited_for, Ok(true), "its caller waits");
    assert_eq!(in_turn, 10, "none takes long by itself");
}

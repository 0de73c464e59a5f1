//! Runtimes without a timer: what needs none works there, and what needs one says so.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{collections::HashMap, future::Future, time::Duration};

use cache_core::{Cache, CachedCall, Event, TimedOut, cached, testing::ManualClock};
use tokio::runtime::Builder;

/// A number is another one.
#[derive(Debug, Event)]
pub struct NumberChanged {
    /// Which.
    pub id: u64,
}

#[cached(ttl = 10s, invalidate_on = NumberChanged { id })]
async fn plain(id: u64) -> u64 {
    id
}

#[cached(ttl = 10s, batch(id in ids))]
async fn many(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(ttl = 10s, strategy = [refresh_ahead(0.5), stale_while_revalidate(1m)])]
async fn ahead(id: u64) -> u64 {
    id
}

#[cached(ttl = 10s, timeout = 1s)]
async fn limited(id: u64) -> Result<u64, TimedOut> {
    Ok(id)
}

/// Runs a test on a runtime without a timer, in a cache of its own with time that stands still.
fn without_a_timer<F: Future<Output = ()>>(test: impl FnOnce(ManualClock, Cache) -> F) {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
        Cache::scope(cache.clone(), test(clock, cache)).await;
    });
}

#[test]
fn what_has_no_strategy_needs_none() {
    without_a_timer(|_, cache| async move {
        assert_eq!((plain(1).await, plain(1).await), (1, 1));
        cache.emit(NumberChanged { id: 1 }).await.unwrap();
        assert_eq!((plain(1).await, tests::loads(&cache)), (1, 2));
        assert_eq!(plain(2).refresh().await, Ok(2));
        assert_eq!(many(&[1, 2]).await.len(), 2);
        assert_eq!(cache.warm((3..10).map(plain)).run().await.loaded, 7);
    });
}

#[test]
fn a_value_is_loaded_and_served_while_it_is_not_due() {
    without_a_timer(|clock, _| async move {
        assert_eq!(ahead(1).await, 1);
        clock.advance(Duration::from_secs(4));
        assert_eq!(ahead(1).await, 1);
    });
}

#[test]
fn a_successor_that_cannot_be_loaded_is_nobodys_panic() {
    without_a_timer(|clock, _| async move {
        ahead(1).await;
        clock.advance(Duration::from_secs(20));
        for _ in 0..3 {
            assert_eq!(ahead(1).await, 1);
            tokio::task::yield_now().await;
        }
    });
}

#[test]
#[should_panic(expected = "timers are disabled")]
fn a_time_limit_says_what_it_needs() {
    without_a_timer(|_, _| async {
        let _ = limited(1).await;
    });
}

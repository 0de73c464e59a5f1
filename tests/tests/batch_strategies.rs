//! Strategies of functions of many keys: each key has its own age, and those that are due share a load.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{collections::HashMap, time::Duration};

use cache_core::{Cache, Event, TimedOut, cached};
use tests::origin::{Failure, Origin, timed};

const SECOND: Duration = Duration::from_secs(1);

type Numbers = Result<HashMap<u64, u64>, Failure>;

/// The number of the load, for each key.
async fn numbers(origin: &Origin, ids: &[u64]) -> Numbers {
    let number = origin.load().await?;
    Ok(ids.iter().map(|id| (*id, number)).collect())
}

fn sorted(numbers: Numbers) -> Vec<(u64, u64)> {
    let mut numbers: Vec<_> = numbers.unwrap().into_iter().collect();
    numbers.sort_unstable();
    numbers
}

#[cached(ttl = 100s, skip(origin), strategy = refresh_ahead(0.8), batch(id in ids))]
async fn ahead(origin: &Origin, ids: &[u64]) -> Numbers {
    numbers(origin, ids).await
}

#[test]
fn keys_that_are_due_are_served_and_share_a_load_in_the_background() {
    timed(|clock, cache| async move {
        let origin = Origin::default();
        assert_eq!(
            sorted(ahead(&origin, &[1, 2, 3]).await),
            [(1, 1), (2, 1), (3, 1)]
        );
        clock.advance(50 * SECOND);
        assert_eq!(sorted(ahead(&origin, &[4]).await), [(4, 2)]);
        clock.advance(41 * SECOND);
        origin.close();
        for _ in 0..10 {
            let found = sorted(ahead(&origin, &[1, 2, 3, 4]).await);
            assert_eq!(found, [(1, 1), (2, 1), (3, 1), (4, 2)], "nobody waits");
        }
        origin.until_begun(3).await;
        origin.open();
        origin.until_ended(3).await;
        let is_new = async || sorted(ahead(&origin, &[1, 2, 3]).await) == [(1, 3), (2, 3), (3, 3)];
        let begun_at = std::time::Instant::now();
        while !is_new().await {
            assert!(begun_at.elapsed() < tests::SOON);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(
            sorted(ahead(&origin, &[4]).await),
            [(4, 2)],
            "it was not due"
        );
        let stats = cache.stats();
        let row = stats.function("ahead").unwrap();
        assert_eq!((row.refreshes, origin.begun()), (3, 3));
    });
}

#[test]
fn a_load_in_the_background_goes_on_without_its_caller() {
    timed(|clock, _| async move {
        let origin = Origin::default();
        ahead(&origin, &[1, 2]).await.unwrap();
        clock.advance(91 * SECOND);
        {
            let call = ahead(&origin, &[1, 2]);
            assert_eq!(sorted(call.await), [(1, 1), (2, 1)]);
        }
        origin.until_ended(2).await;
        assert_eq!(origin.begun(), 2);
    });
}

#[test]
fn a_load_in_the_background_that_panics_is_nobodys_panic_and_is_not_begun_again() {
    static LOADS: tests::Runs = tests::Runs::new();
    #[cached(ttl = 100s, strategy = refresh_ahead(0.5), skip(panics), batch(id in ids))]
    async fn panicking(panics: bool, ids: &[u64]) -> HashMap<u64, u64> {
        LOADS.add();
        assert!(!panics, "on purpose");
        ids.iter().map(|id| (*id, *id)).collect()
    }
    timed(|clock, _| async move {
        let ids = [1, 2, 3];
        assert_eq!(panicking(false, &ids).await.len(), 3);
        clock.advance(80 * SECOND);
        let before = LOADS.add();
        assert_eq!(panicking(true, &ids).await.len(), 3);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(LOADS.add() <= before + 5);
        assert_eq!(panicking(true, &ids).await.len(), 3);
    });
}

#[cached(ttl = 10s, skip(origin), strategy = stale_while_revalidate(60s), batch(id in ids))]
async fn revalidated(origin: &Origin, ids: &[u64]) -> Numbers {
    numbers(origin, ids).await
}

#[test]
fn stale_keys_are_served_while_their_successors_are_loaded_and_missing_ones_are_waited_for() {
    timed(|clock, _| async move {
        let origin = Origin::default();
        revalidated(&origin, &[1, 2]).await.unwrap();
        clock.advance(20 * SECOND);
        let found = sorted(revalidated(&origin, &[1, 2, 3]).await);
        assert_eq!(&found[..2], [(1, 1), (2, 1)]);
        assert_eq!(found.len(), 3);
        let begun_at = std::time::Instant::now();
        while sorted(revalidated(&origin, &[1, 2]).await)[0].1 == 1 {
            assert!(begun_at.elapsed() < tests::SOON);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(origin.begun() <= 3);
        clock.advance(71 * SECOND);
        let begun = origin.begun();
        assert_eq!(sorted(revalidated(&origin, &[1, 2]).await)[0].1, begun + 1);
    });
}

#[cached(ttl = 10s, skip(origin), strategy = stale_if_error(60s), batch(id in ids))]
async fn forgiving(origin: &Origin, ids: &[u64]) -> Numbers {
    numbers(origin, ids).await
}

#[test]
fn where_the_load_fails_stale_keys_stand_in_and_others_have_the_error() {
    timed(|clock, _| async move {
        let origin = Origin::default();
        forgiving(&origin, &[1, 2]).await.unwrap();
        clock.advance(20 * SECOND);
        origin.fail(true);
        assert_eq!(sorted(forgiving(&origin, &[1, 2]).await), [(1, 1), (2, 1)]);
        let failed = forgiving(&origin, &[1, 2, 3]).await;
        assert_eq!(failed, Err(Failure::Temporary));
        origin.fail(false);
    });
}

#[cached(ttl = 10s, skip(origin), strategy = early_expiration, batch(id in ids))]
async fn early(origin: &Origin, ids: &[u64]) -> Numbers {
    numbers(origin, ids).await
}

#[test]
fn keys_that_expire_early_are_served() {
    timed(|clock, _| async move {
        let origin = Origin::default();
        early(&origin, &[1, 2]).await.unwrap();
        for _ in 0..9 {
            clock.advance(SECOND);
            assert_eq!(early(&origin, &[1, 2]).await.unwrap().len(), 2);
        }
        clock.advance(11 * SECOND);
        let begun = origin.begun();
        assert_eq!(sorted(early(&origin, &[1]).await), [(1, begun + 1)]);
    });
}

/// A number is another one.
#[derive(Debug, Event)]
pub struct NumberChanged {
    /// Which.
    pub id: u64,
}

#[cached(
    ttl = 1h,
    skip(origin),
    batch(id in ids),
    invalidate_on = NumberChanged { id },
    strategy = stale_if_invalidated(1h)
)]
async fn lenient(origin: &Origin, ids: &[u64]) -> Numbers {
    numbers(origin, ids).await
}

#[test]
fn keys_that_an_event_made_void_are_served_for_as_long_as_the_function_says() {
    timed(|_, cache| async move {
        let origin = Origin::default();
        lenient(&origin, &[1, 2]).await.unwrap();
        cache.emit(NumberChanged { id: 1 }).await.unwrap();
        assert_eq!(sorted(lenient(&origin, &[1, 2]).await), [(1, 1), (2, 1)]);
        let begun_at = std::time::Instant::now();
        while sorted(lenient(&origin, &[1, 2]).await) != [(1, 2), (2, 1)] {
            assert!(begun_at.elapsed() < tests::SOON);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(origin.begun(), 2);
    });
}

#[derive(Clone, Debug, PartialEq)]
enum Trouble {
    Slow,
    Other,
}

impl From<TimedOut> for Trouble {
    fn from(_: TimedOut) -> Self {
        Self::Slow
    }
}

#[cached(ttl = 1h, skip(origin), timeout = 30ms, batch(id in ids))]
async fn bounded(origin: &Origin, ids: &[u64]) -> Result<HashMap<u64, u64>, Trouble> {
    numbers(origin, ids).await.map_err(|_| Trouble::Other)
}

#[test]
fn a_load_that_takes_too_long_is_an_error_and_is_kept_once_it_ends() {
    timed(|_, _| async move {
        let origin = Origin::default();
        origin.close();
        assert_eq!(bounded(&origin, &[1, 2]).await, Err(Trouble::Slow));
        origin.open();
        origin.until_ended(origin.begun()).await;
        let begun = origin.begun();
        while bounded(&origin, &[1, 2]).await.is_err() {}
        assert_eq!(origin.begun(), begun, "what was loaded late is kept");
    });
}

#[cached(
    ttl = 10s,
    skip(origin),
    strategy = stale_if_error(1h),
    soft_timeout = 10ms,
    batch(id in ids)
)]
async fn impatient(origin: &Origin, ids: &[u64]) -> Numbers {
    numbers(origin, ids).await
}

#[test]
fn where_the_load_takes_long_stale_keys_stand_in() {
    timed(|clock, _| async move {
        let origin = Origin::default();
        impatient(&origin, &[1, 2]).await.unwrap();
        clock.advance(20 * SECOND);
        let first = origin.begun();
        origin.close();
        assert_eq!(impatient(&origin, &[1, 2]).await.unwrap().len(), 2);
        origin.open();
        origin.until_begun(first + 1).await;
    });
}

#[test]
fn what_another_process_has_loaded_is_adopted_and_only_the_rest_is_loaded() {
    tests::on_both_runtimes(|_| async {
        let redis = cache_core::testing::FakeRedis::new();
        let (a, b) = (tests::process(&redis).await, tests::process(&redis).await);
        let origin = Origin::default();
        Cache::scope(a.clone(), async {
            ahead(&origin, &[1, 2, 3]).await.unwrap()
        })
        .await;
        redis.until(|redis| redis.writes() >= 3).await;
        let found = Cache::scope(b, ahead(&origin, &[1, 2, 3, 4])).await;
        assert_eq!(sorted(found), [(1, 1), (2, 1), (3, 1), (4, 2)]);
    });
}

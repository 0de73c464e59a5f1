//! Loads that fail or take long: who is served an old value instead, and who an error.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use cache_core::{CachedCall, Stale, cached};
use tests::origin::{Failure, Origin, timed};

const SECOND: Duration = Duration::from_secs(1);

#[cached(
    ttl = 10s,
    skip(origin),
    strategy = stale_if_error(1h, Failure::is_temporary)
)]
async fn forgiven(origin: &Origin, id: u64) -> Result<u64, Failure> {
    if id == 13 && origin.begun() > 0 {
        return Err(Failure::Final);
    }
    origin.load().await
}

#[test]
fn a_stale_value_stands_in_for_a_load_that_failed_and_the_next_waits_ten_seconds() {
    timed(|clock, cache| async move {
        let origin = Origin::default();
        assert_eq!(forgiven(&origin, 1).await, Ok(1));
        origin.fail(true);
        clock.advance(10 * SECOND);
        let explained = forgiven(&origin, 1).explain().await.unwrap();
        assert_eq!(
            (explained.value, explained.stale),
            (Ok(1), Some(Stale::Failed))
        );
        clock.advance(9 * SECOND);
        for _ in 0..9 {
            assert_eq!(forgiven(&origin, 1).await, Ok(1));
        }
        let explained = forgiven(&origin, 1).explain().await.unwrap();
        assert_eq!(explained.stale, Some(Stale::Failed), "nothing is loaded");
        assert_eq!(origin.begun(), 2, "the origin has rest");
        clock.advance(SECOND);
        assert_eq!(forgiven(&origin, 1).await, Ok(1));
        assert_eq!(origin.begun(), 3);
        clock.advance(10 * SECOND);
        origin.fail(false);
        assert_eq!(forgiven(&origin, 1).await, Ok(4), "it is well again");
        origin.fail(true);
        clock.advance(3_610 * SECOND);
        assert_eq!(
            forgiven(&origin, 1).await,
            Err(Failure::Temporary),
            "too old"
        );
        let stats = cache.stats();
        assert_eq!(stats.function("forgiven").unwrap().stale, 12);
    });
}

#[test]
fn an_error_that_no_stale_value_may_stand_in_for_is_passed_on() {
    timed(|clock, _| async move {
        let origin = Origin::default();
        assert_eq!(forgiven(&origin, 13).await, Ok(1));
        clock.advance(10 * SECOND);
        assert_eq!(forgiven(&origin, 13).await, Err(Failure::Final));
        assert_eq!(forgiven(&origin, 13).await, Err(Failure::Final));
    });
}

#[test]
fn without_a_value_an_error_is_an_error() {
    timed(|_, _| async move {
        let origin = Origin::default();
        origin.fail(true);
        assert_eq!(forgiven(&origin, 1).await, Err(Failure::Temporary));
    });
}

#[test]
fn all_who_wait_for_a_load_that_fails_get_the_stale_value_and_none_loads_again() {
    #[derive(Debug)]
    struct Unshared;
    #[cached(ttl = 10s, skip(origin), strategy = stale_if_error(1h))]
    async fn unshared(origin: &Origin) -> Result<u64, Unshared> {
        origin.load().await.map_err(|_| Unshared)
    }
    timed(|clock, cache| async move {
        let origin = Origin::default();
        unshared(&origin).await.unwrap();
        clock.advance(10 * SECOND);
        origin.fail(true);
        origin.close();
        let call = async |origin: Origin| unshared(&origin).await.ok();
        let calls = (0..50).map(|_| tests::spawn_in(&cache, call(origin.clone())));
        let calls: Vec<_> = calls.collect();
        origin.until_begun(2).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        origin.open();
        for call in calls {
            assert_eq!(call.await.unwrap(), Some(1));
        }
        assert_eq!(origin.begun(), 2, "one load for all");
    });
}

#[test]
fn an_error_that_is_kept_does_not_take_the_place_of_the_value_that_stands_in_for_it() {
    #[cached(ttl = 10s, err_ttl = 60s, skip(origin), strategy = stale_if_error(1h))]
    async fn both(origin: &Origin) -> Result<u64, Failure> {
        origin.load().await
    }
    timed(|clock, _| async move {
        let origin = Origin::default();
        both(&origin).await.unwrap();
        clock.advance(10 * SECOND);
        origin.fail(true);
        assert_eq!(both(&origin).await, Ok(1));
        assert_eq!(both(&origin).await, Ok(1));
        clock.advance(20 * SECOND);
        assert_eq!(both(&origin).await, Ok(1));
    });
}

#[test]
fn how_long_an_error_is_kept_may_depend_on_it() {
    #[cached(
        ttl = 10s,
        err_ttl = |failure| if failure.is_temporary() { Duration::ZERO } else { 5 * SECOND },
    )]
    async fn failing(is_temporary: bool) -> Result<u64, Failure> {
        Err(if is_temporary {
            Failure::Temporary
        } else {
            Failure::Final
        })
    }
    timed(|clock, cache| async move {
        for _ in 0..3 {
            failing(true).await.unwrap_err();
            failing(false).await.unwrap_err();
        }
        assert_eq!(tests::loads(&cache), 4, "one is kept, the other is not");
        clock.advance(5 * SECOND);
        failing(false).await.unwrap_err();
        assert_eq!(tests::loads(&cache), 5);
    });
}

#[test]
fn a_refresh_by_hand_that_fails_says_so_and_leaves_the_old_value() {
    timed(|_, _| async move {
        let origin = Origin::default();
        forgiven(&origin, 1).await.unwrap();
        origin.fail(true);
        assert_eq!(
            forgiven(&origin, 1).refresh().await,
            Ok(Err(Failure::Temporary))
        );
        assert_eq!(forgiven(&origin, 1).await, Ok(1));
    });
}

#[cached(
    ttl = 10s,
    skip(origin),
    strategy = stale_if_error(1h),
    soft_timeout = 30ms,
    timeout = 300ms
)]
async fn limited(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await
}

#[test]
fn a_load_that_takes_long_goes_on_while_the_stale_value_is_served() {
    timed(|clock, cache| async move {
        let origin = Origin::default();
        limited(&origin, 1).await.unwrap();
        clock.advance(10 * SECOND);
        origin.close();
        let explained = limited(&origin, 1).explain().await.unwrap();
        assert_eq!(
            (explained.value, explained.stale),
            (Ok(1), Some(Stale::Late))
        );
        for _ in 0..100 {
            assert_eq!(
                limited(&origin, 1).await,
                Ok(1),
                "the others need not wait as long"
            );
        }
        let explained = limited(&origin, 1).explain().await.unwrap();
        assert_eq!(explained.stale, Some(Stale::Late));
        origin.open();
        origin.until_ended(2).await;
        assert_eq!(limited(&origin, 1).await, Ok(2), "what it gave is kept");
        assert_eq!(origin.begun(), 2);
        assert_eq!(cache.stats().function("limited").unwrap().timeouts, 1);
    });
}

#[test]
fn a_load_that_takes_too_long_is_an_error_and_goes_on() {
    timed(|_, _| async move {
        let origin = Origin::default();
        origin.close();
        let begun = std::time::Instant::now();
        let Err(Failure::Late(late)) = limited(&origin, 1).await else {
            panic!("it is not over");
        };
        assert_eq!(late.after, Duration::from_millis(300));
        assert_eq!(late.to_string(), "the load took longer than 300ms");
        assert!(begun.elapsed() >= late.after);
        let waiting = limited(&origin, 1);
        origin.open();
        assert_eq!(waiting.await, Ok(1), "the same load");
        assert_eq!(origin.begun(), 1);
    });
}

#[test]
fn a_caller_that_is_dropped_leaves_a_limited_load_running() {
    timed(|_, _| async move {
        let origin = Origin::default();
        origin.close();
        let gone = tokio::time::timeout(Duration::from_millis(10), limited(&origin, 1));
        gone.await.unwrap_err();
        origin.open();
        origin.until_ended(1).await;
        assert_eq!((limited(&origin, 1).await, origin.begun()), (Ok(1), 1));
    });
}

#[test]
fn the_panic_of_a_limited_load_is_its_callers() {
    #[cached(ttl = 1m, timeout = 1s)]
    async fn panicking(n: u64) -> Result<u64, Failure> {
        panic!("at {n}")
    }
    timed(|_, cache| async move {
        let panicked = tests::spawn_in(&cache, panicking(3)).await.unwrap_err();
        let message = panicked.into_panic().downcast::<String>().unwrap();
        assert_eq!(*message, "at 3");
    });
}

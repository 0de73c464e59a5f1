//! How long the values of functions of many keys are kept, and which are: each key by itself.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use cache_core::{Cache, CachedCall, cached, testing::ManualClock};
use tests::origin::{Failure, Origin, timed};

const SECOND: Duration = Duration::from_secs(1);

type Numbers = Result<HashMap<u64, u64>, Failure>;

/// The even ones are there: twice of each.
fn even(ids: &[u64]) -> HashMap<u64, u64> {
    let even = ids.iter().filter(|id| id.is_multiple_of(2));
    even.map(|id| (*id, id * 2)).collect()
}

#[cached(ttl = 1h, none_ttl = 10s, skip(origin), batch(id in ids))]
async fn remembered(origin: &Origin, ids: &[u64]) -> Numbers {
    origin.load().await?;
    Ok(even(ids))
}

#[test]
fn that_a_key_is_not_there_is_remembered_for_none_ttl() {
    timed(|clock, _| async move {
        let origin = Origin::default();
        for (seconds, loads) in [(0, 1), (9, 1), (1, 2), (9, 2), (1, 3)] {
            clock.advance(seconds * SECOND);
            assert_eq!(remembered(&origin, &[1, 2]).await, Ok(even(&[2])));
            assert_eq!(origin.begun(), loads);
        }
        assert_eq!(remembered(&origin, &[2]).await, Ok(even(&[2])));
        assert_eq!(origin.begun(), 3, "a value lives for longer");
    });
}

#[cached(
    ttl = |number| Duration::from_secs(*number),
    none_ttl = 1s,
    keep_if = |number| *number > 4,
    skip(origin),
    batch(id in ids)
)]
async fn by_value(origin: &Origin, ids: &[u64]) -> Numbers {
    origin.load().await?;
    Ok(even(ids))
}

#[test]
fn each_value_says_how_long_it_is_fresh() {
    timed(|clock, _| async move {
        let origin = Origin::default();
        by_value(&origin, &[4, 8]).await.unwrap();
        clock.advance(8 * SECOND);
        assert_eq!(
            by_value(&origin, &[4]).peek().await,
            Some(Ok(HashMap::new()))
        );
        assert_eq!(by_value(&origin, &[8]).peek().await, Some(Ok(even(&[8]))));
        clock.advance(8 * SECOND);
        by_value(&origin, &[8]).await.unwrap();
        assert_eq!(origin.begun(), 2);
    });
}

#[test]
fn each_value_says_whether_it_is_kept() {
    timed(|_, _| async move {
        let origin = Origin::default();
        for loads in 1..=3 {
            assert_eq!(by_value(&origin, &[2, 4]).await, Ok(even(&[2, 4])));
            assert_eq!(origin.begun(), loads, "2 is not kept");
        }
        by_value(&origin, &[4]).await.unwrap();
        assert_eq!(origin.begun(), 3);
    });
}

#[cached(
    ttl = 10s,
    skip(fails),
    strategy = stale_if_error(1h, Failure::is_temporary),
    batch(id in ids)
)]
async fn forgiving(fails: Option<Failure>, ids: &[u64]) -> Numbers {
    fails.map_or_else(|| Ok(even(ids)), Err)
}

#[test]
fn old_values_stand_in_for_the_errors_that_the_function_names() {
    timed(|clock, _| async move {
        forgiving(None, &[2, 4]).await.unwrap();
        clock.advance(20 * SECOND);
        let fails = |failure: Failure| forgiving(Some(failure), &[2, 4]);
        assert_eq!(fails(Failure::Final).await, Err(Failure::Final));
        assert_eq!(fails(Failure::Temporary).await, Ok(even(&[2, 4])));
    });
}

#[cached(
    ttl = 1h,
    err_ttl = |failure| if failure.is_temporary() { Duration::ZERO } else { 5 * SECOND },
    skip(fails),
    batch(id in ids)
)]
async fn erring(fails: Option<Failure>, ids: &[u64]) -> Numbers {
    fails.map_or_else(|| Ok(even(ids)), Err)
}

#[test]
fn the_errors_that_the_function_names_are_kept() {
    timed(|clock, _| async move {
        let temporary = erring(Some(Failure::Temporary), &[2]).await;
        assert_eq!(temporary, Err(Failure::Temporary));
        let last = erring(Some(Failure::Final), &[2]).await;
        assert_eq!(last, Err(Failure::Final), "the one before was not kept");
        clock.advance(4 * SECOND);
        assert_eq!(erring(None, &[2]).await, Err(Failure::Final));
        clock.advance(SECOND);
        assert_eq!(erring(None, &[2]).await, Ok(even(&[2])));
    });
}

#[test]
fn what_no_caller_waits_for_any_more_is_not_kept() {
    timed(|_, cache| async move {
        let origin = Origin::default();
        origin.close();
        let caller = tests::spawn_in(&cache, {
            let origin = origin.clone();
            async move { remembered(&origin, &[2]).await }
        });
        origin.until_begun(1).await;
        caller.abort();
        caller.await.unwrap_err();
        origin.open();
        origin.until_ended(1).await;
        let kept = remembered(&origin, &[2]).peek().await;
        assert_eq!(kept, Some(Ok(HashMap::new())));
    });
}

/// The keys of each load.
type Loaded = Arc<Mutex<Vec<usize>>>;

#[cached(ttl = 100s, skip(loaded), strategy = refresh_ahead(0.5), batch(id in ids))]
async fn ahead(loaded: &Loaded, ids: &[u64]) -> HashMap<u64, u64> {
    loaded.lock().unwrap().push(ids.len());
    tokio::time::sleep(Duration::from_millis(50)).await;
    even(ids)
}

#[test]
fn the_background_has_room_for_as_many_keys_as_the_cache_allows() {
    timed(|_, _| async {
        let clock = ManualClock::new();
        let builder = Cache::builder().clock(clock.clock()).background_limit(3);
        let cache = builder.build().await.unwrap();
        let loaded = Loaded::default();
        let ids: Vec<u64> = (0..10).map(|id| id * 2).collect();
        Cache::scope(cache.clone(), async {
            ahead(&loaded, &ids).await;
            clock.advance(90 * SECOND);
            ahead(&loaded, &ids).await;
            tests::until("they are loaded", || loaded.lock().unwrap().len() > 1).await;
            let loads = std::mem::take(&mut *loaded.lock().unwrap());
            let refreshes = cache.stats().function("ahead").unwrap().refreshes;
            assert_eq!(loads[1..].iter().sum::<usize>(), 3, "{loads:?}");
            assert_eq!(refreshes, 3);
        })
        .await;
    });
}

//! Old values, loads and lifetimes of several processes on one Redis.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "fleet/leases.rs"]
mod leases;
#[path = "fleet/successors.rs"]
mod successors;

use std::time::Duration;

use cache_core::{
    Cache, CachedCall, NotCached, Source, Stale, cached,
    testing::{FakeRedis, ManualClock},
};
use tests::{
    origin::{Failure, Origin, timed},
    until,
};

const SECOND: Duration = Duration::from_secs(1);

#[cached(ttl = 100s, skip(origin), strategy = refresh_ahead(0.8))]
async fn ahead(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await
}

#[cached(ttl = 10s, skip(origin), strategy = stale_while_revalidate(60s))]
async fn revalidated(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await
}

#[cached(ttl = 10s, skip(origin), strategy = stale_if_error(1h))]
async fn forgiven(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await
}

/// Two processes on one Redis, on one clock.
async fn two_processes(clock: &ManualClock) -> (FakeRedis, [Cache; 2]) {
    let redis = FakeRedis::on(clock);
    let mut caches = Vec::new();
    for _ in 0..2 {
        let builder = Cache::builder().clock(clock.clock()).fake_redis(&redis);
        caches.push(builder.build().await.unwrap());
    }
    (redis, caches.try_into().unwrap())
}

#[test]
fn a_stale_value_that_another_process_loaded_is_served_and_refreshed() {
    timed(|clock, _| async move {
        let (redis, [a, b]) = two_processes(&clock).await;
        let origin = Origin::default();
        Cache::scope(a.clone(), revalidated(&origin, 1))
            .await
            .unwrap();
        redis.until(|redis| redis.writes() > 0).await;
        clock.advance(20 * SECOND);
        origin.close();
        let explained = Cache::scope(b.clone(), revalidated(&origin, 1).explain());
        let explained = explained.await.unwrap();
        assert_eq!((explained.value, explained.source), (Ok(1), Source::Redis));
        assert_eq!(explained.stale, Some(Stale::Revalidating));
        origin.until_begun(2).await;
        origin.open();
        origin.until_ended(2).await;
        assert_eq!(Cache::scope(b, revalidated(&origin, 1)).await, Ok(2));
        assert_eq!(origin.begun(), 2);
    });
}

#[test]
fn a_stale_value_that_another_process_loaded_stands_in_for_a_load_that_failed() {
    timed(|clock, _| async move {
        let (redis, [a, b]) = two_processes(&clock).await;
        let origin = Origin::default();
        Cache::scope(a.clone(), forgiven(&origin, 1)).await.unwrap();
        redis.until(|redis| redis.writes() > 0).await;
        clock.advance(20 * SECOND);
        origin.fail(true);
        for _ in 0..5 {
            assert_eq!(Cache::scope(b.clone(), forgiven(&origin, 1)).await, Ok(1));
        }
        assert_eq!(origin.begun(), 2);
        clock.advance(3_600 * SECOND);
        let old = Cache::scope(b, forgiven(&origin, 1)).await;
        assert_eq!(old, Err(Failure::Temporary));
    });
}

#[test]
fn a_refresh_takes_over_what_another_process_has_loaded_since() {
    timed(|clock, _| async move {
        let (redis, [a, b]) = two_processes(&clock).await;
        let origin = Origin::default();
        for cache in [&a, &b] {
            Cache::scope(cache.clone(), ahead(&origin, 1))
                .await
                .unwrap();
            redis.until(|redis| redis.writes() > 0).await;
        }
        assert_eq!(origin.begun(), 1, "the second has found it");
        clock.advance(91 * SECOND);
        Cache::scope(a.clone(), ahead(&origin, 1)).await.unwrap();
        origin.until_ended(2).await;
        redis.until(|redis| redis.writes() > 1).await;
        let read = || Cache::scope(b.clone(), ahead(&origin, 1));
        assert_eq!(read().await, Ok(1), "it is fresh");
        until("the other's is taken over", || {
            b.stats().function("ahead").unwrap().redis_hits > 1
        })
        .await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!((read().await, origin.begun()), (Ok(2), 2));
    });
}

#[test]
fn whoever_can_be_served_no_longer_does_not_wait_for_the_successor_of_another_process() {
    timed(|clock, _| async move {
        let (redis, [a, b]) = two_processes(&clock).await;
        let origin = Origin::default();
        for cache in [&a, &b] {
            let read = Cache::scope(cache.clone(), revalidated(&origin, 1));
            assert_eq!(read.await, Ok(1));
            redis.until(|redis| redis.writes() > 0).await;
        }
        clock.advance(20 * SECOND);
        origin.close();
        let read = |cache: &Cache| Cache::scope(cache.clone(), revalidated(&origin, 1));
        assert_eq!(read(&a).await, Ok(1));
        origin.until_begun(2).await;
        assert_eq!(read(&b).await, Ok(1));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(origin.begun(), 2, "one process loads for both");
        clock.advance(60 * SECOND);
        let begun = origin.until_begun(3);
        let (answer, ()) = futures::join!(read(&b), async {
            begun.await;
            origin.open();
        });
        assert_eq!(answer, Ok(3));
    });
}

#[tokio::test]
async fn lifetimes_differ_from_key_to_key_by_a_tenth_and_not_from_process_to_process() {
    #[cached(ttl = 1000s)]
    async fn number(id: u64) -> u64 {
        id
    }
    let redis = FakeRedis::new();
    let mut seen = Vec::new();
    for round in 0..2 {
        let cache = Cache::builder().fake_redis(&redis).build().await.unwrap();
        let lives: Result<Vec<_>, NotCached> = Cache::scope(cache, async {
            let mut lives = Vec::new();
            for id in 0..100 {
                let explained = number(id).explain().await?;
                lives.push((explained.time_left.unwrap() + explained.age).as_secs());
            }
            Ok(lives)
        })
        .await;
        let lives = lives.unwrap();
        assert!(
            lives.iter().all(|life| (899..=1_000).contains(life)),
            "{lives:?}"
        );
        let (least, most) = (lives.iter().min().unwrap(), lives.iter().max().unwrap());
        assert!(most - least > 50, "{round}: {lives:?}");
        seen.push(lives);
    }
    let pairs = seen[0].iter().zip(&seen[1]);
    for (one, other) in pairs {
        assert!(one.abs_diff(*other) <= 1, "{one} {other}");
    }
}

#[cached(ttl = 10s, skip(origin), fleet)]
async fn fleeting(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await
}

/// Processes on one Redis.
async fn processes(redis: &FakeRedis, number: usize) -> Vec<Cache> {
    let processes = (0..number).map(|_| tests::process(redis));
    futures::future::join_all(processes).await
}

/// Has all of them call at once.
async fn call_all(caches: &[Cache], origin: &Origin, id: u64) -> Vec<Result<u64, Failure>> {
    let calls = caches
        .iter()
        .map(|cache| Cache::scope(cache.clone(), fleeting(origin, id)));
    futures::future::join_all(calls).await
}

#[tokio::test]
async fn of_a_fleet_one_process_loads_and_the_others_take_what_it_has_loaded() {
    let redis = FakeRedis::new();
    let caches = processes(&redis, 16).await;
    let origin = Origin::default();
    origin.close();
    let opening = async {
        origin.until_begun(1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        origin.open();
    };
    let (answers, ()) = futures::join!(call_all(&caches, &origin, 1), opening);
    assert!(answers.iter().all(|answer| *answer == Ok(1)), "{answers:?}");
    assert_eq!(origin.begun(), 1);
}

#[tokio::test]
async fn of_a_fleet_the_next_process_loads_where_one_has_failed() {
    let redis = FakeRedis::new();
    let caches = processes(&redis, 3).await;
    let origin = Origin::default();
    origin.fail(true);
    let answers = call_all(&caches, &origin, 1).await;
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(origin.begun(), 3);
    redis.until(|redis| redis.keys().is_empty()).await;
}

#[tokio::test]
async fn of_a_fleet_nobody_waits_for_long_for_one_that_is_gone() {
    #[cached(ttl = 10s, skip(origin), fleet, timeout = 300ms)]
    async fn limited(origin: &Origin) -> Result<u64, Failure> {
        origin.load().await
    }
    let redis = FakeRedis::new();
    let caches = processes(&redis, 2).await;
    let origin = Origin::default();
    origin.close();
    let gone = Cache::scope(caches[0].clone(), limited(&origin));
    gone.await.unwrap_err();
    origin.open();
    let answer = Cache::scope(caches[1].clone(), limited(&origin)).await;
    assert!(answer.is_ok(), "{answer:?}");
}

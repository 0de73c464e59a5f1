//! Warming: what it makes of calls that Redis answers, and of loads under way when it is dropped.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use cache_core::{Cache, CachedCall, cached, testing::FakeRedis};
use tests::{
    origin::{Failure, Origin, timed},
    process,
};

#[cached(ttl = 1h, skip(origin))]
async fn number(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await.map(|_| id)
}

#[cached(ttl = 1h, key = id, inline)]
async fn inline(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await.map(|_| id)
}

/// Warms twenty calls, four at once, and drops that once four loads run.
async fn dropped_half_way<F>(cache: &Cache, origin: &Origin, call: impl Fn(u64) -> F)
where
    F: Future<Output = Result<u64, Failure>>,
{
    origin.close();
    tokio::select! {
        warmed = cache.warm((0..20).map(call)).at_once(4).run() => panic!("nothing ended: {warmed}"),
        () = origin.until_begun(4) => {}
    }
    origin.open();
}

#[test]
fn dropped_half_way_no_further_call_begins_and_loads_under_way_are_kept() {
    timed(|_, cache| async move {
        let origin = Origin::default();
        dropped_half_way(&cache, &origin, |id| number(&origin, id)).await;
        origin.until_ended(4).await;
        for id in 0..20 {
            let expected = (id < 4).then_some(Ok(id));
            assert_eq!(number(&origin, id).peek().await, expected, "{id}");
        }
        assert_eq!(origin.begun(), 4);
    });
}

#[test]
fn dropped_half_way_inline_loads_end() {
    timed(|_, cache| async move {
        let origin = Origin::default();
        dropped_half_way(&cache, &origin, |id| inline(&origin, id)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(inline(&origin, 0).peek().await, None);
        assert_eq!(origin.begun(), 4);
    });
}

#[tokio::test]
async fn what_redis_has_is_counted_apart_and_not_loaded() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    let origin = Origin::default();
    let warm = |cache: &Cache, calls: u64| {
        let calls = (0..calls).map(|id| number(&origin, id));
        cache.warm(calls.collect::<Vec<_>>()).run()
    };
    assert_eq!(warm(&here, 15).await.loaded, 15);
    redis.until(|redis| redis.keys().len() == 15).await;
    let warmed = warm(&there, 20).await;
    assert_eq!((warmed.in_redis, warmed.loaded), (15, 5));
    assert_eq!(warm(&there, 20).await.in_memory, 20);
    assert_eq!(origin.begun(), 20);
}

#[cached(ttl = 10s, skip(origin), strategy = [stale_while_revalidate(60s), stale_if_error(1h)])]
async fn aging(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await.map(|_| id)
}

#[test]
fn what_is_answered_by_something_too_old_is_counted_apart() {
    timed(|clock, cache| async move {
        let origin = Origin::default();
        let warm = async || {
            let calls = (0..20).map(|id| aging(&origin, id));
            cache.warm(calls.collect::<Vec<_>>()).run().await
        };
        assert_eq!(warm().await.loaded, 20);
        clock.advance(Duration::from_secs(20));
        origin.fail(true);
        let warmed = warm().await;
        assert_eq!((warmed.stale, warmed.in_memory, warmed.done()), (20, 0, 20));
        clock.advance(Duration::from_secs(100));
        let warmed = warm().await;
        assert_eq!((warmed.stale, warmed.loaded, warmed.failed), (20, 0, 0));
        assert!(warmed.to_string().contains(", 20 stale, "));
    });
}

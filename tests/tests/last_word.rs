//! After `evict`, `put` and `refresh` this process never sees an older value from Redis, whatever is on its
//! way there, and Redis ends as the last of them says.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cache_core::{Cache, CachedCall, RedisMiss, Source, cached, testing::FakeRedis};
use futures::future::join_all;
use tests::{SOON, process, spawn_in, until};

static SOURCE: AtomicU64 = AtomicU64::new(0);

#[cached(ttl = 1h)]
async fn current(_n: u64) -> u64 {
    SOURCE.load(SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_eviction_holds_while_others_call() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    let ends = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let ends = Arc::clone(&ends);
            spawn_in(&cache, async move {
                while !ends.load(SeqCst) {
                    current(1).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    Cache::scope(cache, async {
        for value in 1..100 {
            current(1).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
            SOURCE.store(value, SeqCst);
            current(1).evict().await.unwrap();
            assert_eq!(current(1).await, value);
        }
    })
    .await;
    ends.store(true, SeqCst);
    join_all(callers).await;
}

#[cached(ttl = 1h)]
async fn text(_n: u64) -> String {
    "loaded".into()
}

#[cached(ttl = 1h, tiers = redis)]
async fn only_there(_n: u64) -> u64 {
    1
}

#[tokio::test]
async fn what_was_put_is_what_is_read_also_before_it_has_arrived() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    Cache::scope(cache, async {
        only_there(1).await;
        redis.delay(Duration::from_millis(30));
        only_there(1).put(2).await.unwrap();
        assert_eq!(only_there(1).await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_value_that_cannot_be_written_leaves_nothing_older_behind() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    Cache::scope(here.clone(), async {
        text(1).put("old".into()).await.unwrap();
        until("it is there", || redis.keys().len() == 1).await;
        text(1).put("x".repeat(2 << 20)).await.unwrap();
        until("it is gone", || redis.keys().is_empty()).await;

        text(2).put("old".into()).await.unwrap();
        until("it is there", || redis.keys().len() == 1).await;
        redis.fill_up();
        text(2).put("new".into()).await.unwrap();
        until("it is gone", || redis.keys().is_empty()).await;
    })
    .await;
    assert_eq!(Cache::scope(there, text(2)).await, "loaded");
}

#[tokio::test]
async fn an_eviction_in_an_outage_is_made_good() {
    let redis = FakeRedis::new();
    let here = process(&redis).await;
    Cache::scope(here.clone(), async {
        text(1).put("old".into()).await.unwrap();
        until("it is there", || redis.keys().len() == 1).await;
        redis.fail();
        text(1).evict().await.unwrap();
        redis.recover();
        assert_eq!(text(1).await, "loaded");
        text(2).put("old".into()).await.unwrap();
    })
    .await;
    assert_eq!(here.close(SOON).await.fills, 0);
    let there = process(&redis).await;
    let read = Cache::scope(there, text(1).explain()).await.unwrap();
    assert_eq!(read.value, "loaded");
}

#[tokio::test]
async fn an_eviction_does_not_wait_behind_values_nor_for_room() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    Cache::scope(cache.clone(), async {
        text(0).put("old".into()).await.unwrap();
        until("it is there", || redis.keys().len() == 1).await;
        redis.delay(Duration::from_millis(20));
        join_all((1..9_000).map(text)).await;
        text(0).evict().await.unwrap();
        assert!(!redis.keys().iter().any(|key| key.ends_with(":0")));
        assert_eq!(text(0).await, "loaded");
    })
    .await;
}

#[cached(ttl = 1h, keep_if = |value| *value < 10)]
async fn small(_n: u64) -> u64 {
    SMALL.load(SeqCst)
}

static SMALL: AtomicU64 = AtomicU64::new(1);

#[tokio::test]
async fn what_is_found_outdated_while_redis_is_late_is_removed_there() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    Cache::scope(here.clone(), small(1)).await;
    assert_eq!(here.close(SOON).await.fills, 0);
    SMALL.store(11, SeqCst);
    redis.hang();
    assert_eq!(Cache::scope(there.clone(), small(1)).await, 11);
    redis.recover();
    let read = Cache::scope(there, small(1).explain()).await.unwrap();
    assert_eq!((read.value, read.source), (11, Source::Load));
}

#[test]
fn closing_on_another_runtime_sends_what_waits() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let redis = FakeRedis::new();
    let cache = runtime().block_on(process(&redis));
    futures::executor::block_on(Cache::scope(cache.clone(), text(1).put("x".into()))).unwrap();
    let left = runtime().block_on(cache.close(SOON));
    assert_eq!((left.fills, redis.keys().len()), (0, 1));
}

#[tokio::test]
async fn what_waits_is_bounded_by_bytes_also_where_it_replaces() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    redis.hang();
    Cache::scope(cache.clone(), async {
        join_all((0..2_000).map(|n| text(n).put("x".into()))).await;
        join_all((0..2_000).map(|n| text(n).put("x".repeat(100_000)))).await;
    })
    .await;
    let lost = cache.stats().function("text").unwrap().redis_fills_lost;
    // There is room for 335 of these at most.
    assert!(lost >= 1_600, "{lost}");
}

static IS_ARMED: AtomicBool = AtomicBool::new(false);

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Bomb(u64);

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!IS_ARMED.swap(false, SeqCst), "as the test wants it");
    }
}

#[cached(ttl = 1h)]
async fn bomb(n: u64) -> Bomb {
    Bomb(n)
}

#[tokio::test]
async fn a_value_whose_drop_panics_takes_no_eviction_along() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    Cache::scope(cache.clone(), async {
        text(1).await;
        until("it is there", || redis.keys().len() == 1).await;
        redis.delay(Duration::from_millis(30));
        text(2).await;
        until("it is under way", || redis.writes() == 2).await;
        drop(bomb(1).await);
        // What is on its way holds the last one.
        cache.clear();
        IS_ARMED.store(true, SeqCst);
        text(1).evict().await.unwrap();
        until("it went off", || !IS_ARMED.load(SeqCst)).await;
        redis.recover();
        until("it is gone", || {
            !redis
                .keys()
                .iter()
                .any(|key| key.ends_with(":1") && key.contains("text"))
        })
        .await;
        text(3).await;
        until("others are sent", || {
            redis.keys().iter().any(|key| key.ends_with(":3"))
        })
        .await;
    })
    .await;
}

#[derive(Debug)]
struct Unshared;

#[cached(ttl = 1h)]
async fn failing(_n: u64) -> Result<u64, Unshared> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    Err(Unshared)
}

#[tokio::test]
async fn a_second_leader_knows_what_redis_said_to_the_first() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    Cache::scope(cache, async {
        let both = futures::join!(failing(1).explain(), failing(1).explain());
        for answer in [both.0, both.1] {
            assert_eq!(answer.unwrap().redis, Some(RedisMiss::Absent));
        }
        assert_eq!(redis.reads(), 1);
    })
    .await;
}

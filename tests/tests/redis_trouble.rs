//! A second tier that fails, hangs, is full or holds nonsense, told to by the test: calls return what is
//! true, within the budget, and the tier is used again when it is well.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::{Duration, Instant};

use cache_core::{
    Cache, CachedCall, RedisMiss, Source, cached,
    testing::{FakeRedis, ManualClock},
};
use futures::future::join_all;
use serde::{Deserialize, Serialize, Serializer};
use tests::{Runs, SOON, spawn_in, until};

const BUDGET: Duration = Duration::from_millis(100);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(400);

#[cached(ttl = 1h)]
async fn double(n: u64) -> u64 {
    n * 2
}

async fn process(redis: &FakeRedis) -> Cache {
    Cache::builder()
        .fake_redis(redis)
        .redis_budget(BUDGET)
        .build()
        .await
        .unwrap()
}

async fn why(cache: &Cache, n: u64) -> (Source, Option<RedisMiss>) {
    let call = double(n).explain();
    let explained = Cache::scope(cache.clone(), call).await.unwrap();
    assert_eq!(explained.value, n * 2);
    (explained.source, explained.redis)
}

/// Calls until Redis answers again, with other keys each time.
async fn until_it_is_used_again(cache: &Cache, keys: u64) {
    let begin = Instant::now();
    for n in keys.. {
        let (_, redis) = why(cache, n).await;
        if redis == Some(RedisMiss::Absent) {
            return;
        }
        assert!(
            begin.elapsed() < SOON,
            "Redis is still not asked: {redis:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_tier_that_hangs_holds_a_call_for_the_budget_and_soon_not_at_all() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    redis.hang();
    let mut held = 0;
    for n in 0..30 {
        let begin = Instant::now();
        let (source, miss) = why(&cache, n).await;
        assert!(begin.elapsed() < BUDGET + SLACK, "{:?}", begin.elapsed());
        assert_eq!(source, Source::Load);
        assert!(matches!(
            miss,
            Some(RedisMiss::Late | RedisMiss::Unavailable)
        ));
        held += usize::from(miss == Some(RedisMiss::Late));
    }
    assert!((1..=10).contains(&held), "{held} of 30 calls were held up");
    redis.recover();
    until_it_is_used_again(&cache, 1_000).await;
}

#[tokio::test]
async fn a_tier_that_fails_costs_nothing_and_is_used_again_when_it_works() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    redis.fail();
    for n in 0..100 {
        assert_eq!(
            why(&cache, n).await,
            (Source::Load, Some(RedisMiss::Unavailable))
        );
    }
    assert!(redis.reads() < 30, "{} reads", redis.reads());
    redis.recover();
    until_it_is_used_again(&cache, 1_000).await;
    assert_eq!(cache.stats().entries, cache.stats().functions[0].loads);
}

#[tokio::test]
async fn nobody_has_to_call_during_an_outage_for_it_to_end() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    redis.fail();
    join_all((0..50).map(|n| why(&cache, n))).await;
    redis.recover();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    // The first call asks whether it is well, and does not wait for the answer.
    why(&cache, 100).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    until_it_is_used_again(&cache, 200).await;
}

#[tokio::test]
async fn a_full_tier_still_answers_reads() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    Cache::scope(here.clone(), double(1)).await;
    let _ = here.close(SOON).await;
    redis.fill_up();
    for n in 100..200 {
        assert_eq!(why(&there, n).await.0, Source::Load);
        tokio::task::yield_now().await;
    }
    assert_eq!(why(&there, 1).await.0, Source::Redis);
    until("the values are given up", || {
        there.stats().functions[0].redis_fills_lost == 100
    })
    .await;
    assert!(redis.writes() < 100, "{} writes", redis.writes());

    redis.recover();
    let begin = Instant::now();
    for n in 300.. {
        why(&there, n).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        if there.stats().functions[0].redis_fills > 0 {
            break;
        }
        assert!(begin.elapsed() < SOON, "nothing is written again");
    }
}

#[tokio::test]
async fn damaged_bytes_are_a_miss_and_are_replaced() {
    let redis = FakeRedis::new();
    for (what, change) in [
        (
            "a flipped bit",
            (|bytes| bytes[70] ^= 1) as fn(&mut Vec<u8>),
        ),
        ("a flipped bit at the start", |bytes| bytes[0] ^= 1),
        ("a byte less", |bytes| bytes.truncate(bytes.len() - 1)),
        ("a byte more", |bytes| bytes.push(0)),
        ("nothing", Vec::clear),
        ("another program's text", |bytes| {
            *bytes = b"{\"a\":1}".to_vec();
        }),
        ("only zeros", |bytes| bytes.fill(0)),
        ("a megabyte", |bytes| bytes.resize(1 << 20, 7)),
    ] {
        let here = process(&redis).await;
        Cache::scope(here.clone(), double(1).refresh())
            .await
            .unwrap();
        let _ = here.close(SOON).await;
        redis.damage(change);
        let there = process(&redis).await;
        let (source, miss) = why(&there, 1).await;
        assert_eq!(source, Source::Load, "{what}");
        assert!(
            matches!(miss, Some(RedisMiss::Damaged | RedisMiss::TooLarge)),
            "{what}: {miss:?}"
        );
        assert_eq!(there.stats().functions[0].redis_unusable, 1, "{what}");
        let _ = there.close(SOON).await;
        assert_eq!(
            why(&process(&redis).await, 1).await.0,
            Source::Redis,
            "{what}"
        );
    }
}

#[cached(ttl = 1h)]
async fn text(length: usize) -> String {
    "x".repeat(length)
}

#[tokio::test]
async fn a_value_over_the_limit_stays_in_memory() {
    let redis = FakeRedis::new();
    let cache = Cache::builder()
        .fake_redis(&redis)
        .redis_value_limit(1_000)
        .build()
        .await
        .unwrap();
    Cache::scope(cache.clone(), async {
        for length in [900, 1_001, 50_000] {
            assert_eq!(text(length).await.len(), length);
            assert_eq!(text(length).explain().await.unwrap().source, Source::Memory);
        }
        until("all are written or given up", || {
            let row = cache.stats().functions[0].clone();
            row.redis_fills + row.redis_fills_lost == 3
        })
        .await;
    })
    .await;
    let row = &cache.stats().functions[0];
    assert_eq!((row.redis_fills, row.redis_too_large), (1, 2));
    assert_eq!(redis.keys().len(), 1);
}

#[tokio::test]
async fn a_reader_with_a_smaller_limit_loads_for_itself() {
    let redis = FakeRedis::new();
    let here = process(&redis).await;
    Cache::scope(here.clone(), text(5_000)).await;
    let _ = here.close(SOON).await;
    let there = Cache::builder()
        .fake_redis(&redis)
        .redis_value_limit(1_000)
        .build()
        .await
        .unwrap();
    let read = Cache::scope(there, text(5_000).explain()).await.unwrap();
    assert_eq!(
        (read.source, read.redis),
        (Source::Load, Some(RedisMiss::TooLarge))
    );
}

static SLOW: Runs = Runs::new();

#[cached(ttl = 1h)]
async fn slow(n: u64) -> u64 {
    SLOW.add();
    n
}

#[tokio::test]
async fn a_leader_that_is_dropped_or_left_while_it_reads_stalls_nobody() {
    let redis = FakeRedis::new();
    let here = process(&redis).await;
    Cache::scope(here.clone(), slow(1)).await;
    let _ = here.close(SOON).await;
    redis.delay(Duration::from_millis(60));
    for is_dropped in [true, false] {
        let there = process(&redis).await;
        let mut leader = Box::pin(Cache::scope(there.clone(), slow(1)));
        // Polled once, then dropped or left.
        futures::future::select(&mut leader, futures::future::ready(())).await;
        let waiter = spawn_in(&there, slow(1));
        tokio::task::yield_now().await;
        let left = (!is_dropped).then_some(leader);
        let answered = tokio::time::timeout(SOON, waiter).await;
        assert_eq!(answered.unwrap().unwrap(), 1);
        drop(left);
        // One that is left uses the time up in which Redis may be asked.
        let loads = there.stats().functions[0].loads;
        assert!(loads <= u64::from(!is_dropped), "{loads} loads");
    }
}

#[tokio::test]
async fn all_callers_of_a_flight_share_one_budget() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    redis.hang();
    let begin = Instant::now();
    // Each leader in turn is dropped while it reads.
    let mut calls: Vec<_> = (0..10).map(|_| spawn_in(&cache, slow(2))).collect();
    while calls.len() > 1 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        calls.remove(0).abort();
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), 2);
    }
    assert!(begin.elapsed() < Duration::from_millis(30) * 9 + SLACK);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Text(String),
}

#[cached(ttl = 1h)]
async fn untagged(n: u64) -> Untagged {
    Untagged::Number(n)
}

#[tokio::test]
async fn a_type_that_cannot_travel_works_in_memory_and_says_so() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    Cache::scope(cache.clone(), async {
        let loaded = untagged(1).explain().await.unwrap();
        assert_eq!(
            (loaded.source, loaded.redis),
            (Source::Load, Some(RedisMiss::CannotTravel))
        );
        assert_eq!(untagged(1).explain().await.unwrap().source, Source::Memory);
    })
    .await;
    let _ = cache.close(SOON).await;
    assert_eq!((redis.reads(), redis.writes()), (0, 0));
}

/// Its implementations of serde do not go together.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Lopsided(u64);

impl Serialize for Lopsided {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_string())
    }
}

#[cached(ttl = 1h)]
async fn lopsided(n: u64) -> Lopsided {
    Lopsided(n)
}

/// Its implementations panic.
#[derive(Clone, Debug, PartialEq)]
struct Explosive;

impl Serialize for Explosive {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("as the test wants it")
    }
}

impl<'de> Deserialize<'de> for Explosive {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("as the test wants it")
    }
}

#[cached(ttl = 1h)]
async fn explosive() -> Explosive {
    Explosive
}

#[tokio::test]
async fn a_value_that_does_not_come_back_is_not_sent() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    Cache::scope(cache.clone(), async {
        assert_eq!(lopsided(7).await, Lopsided(7));
        assert_eq!(explosive().await, Explosive);
    })
    .await;
    let _ = cache.close(SOON).await;
    assert_eq!(redis.writes(), 0);
}

#[tokio::test]
async fn what_cannot_be_sent_is_bounded() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    redis.delay(Duration::from_millis(50));
    // 100 MB at once, while Redis takes one of these in 50 ms.
    let calls = (0..1_000).map(|n| text(100_000 + n));
    Cache::scope(cache.clone(), join_all(calls)).await;
    let row = cache.stats().functions[0].clone();
    assert!(row.redis_fills_lost > 500, "{row:?}");
    let left = cache.close(Duration::from_millis(10)).await;
    assert!(left.fills > 0 && left.fills <= 400, "{left:?}");
}

#[tokio::test]
async fn a_value_that_expired_while_it_waited_is_not_sent() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let cache = Cache::builder()
        .fake_redis(&redis)
        .clock(clock.clock())
        .build()
        .await
        .unwrap();
    Cache::scope(cache.clone(), double(1)).await;
    until("it was sent", || redis.writes() == 1).await;
    redis.hang();
    Cache::scope(cache.clone(), double(2)).await;
    until("it is under way", || redis.writes() == 2).await;
    Cache::scope(cache.clone(), double(3)).await;
    clock.advance(Duration::from_hours(1));
    redis.recover();
    let left = cache.close(SOON).await;
    assert_eq!((left.fills, redis.writes()), (0, 2));
}

#[tokio::test]
async fn the_runtime_that_sent_may_end() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    redis.hang();
    for n in 0..4 {
        let (cache, redis) = (cache.clone(), redis.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                Cache::scope(cache, double(n)).await;
                if n == 3 {
                    redis.recover();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        });
        thread.join().unwrap();
    }
    redis.recover();
    Cache::scope(cache.clone(), double(10)).await;
    until("what can be sent is sent", || !redis.keys().is_empty()).await;
}

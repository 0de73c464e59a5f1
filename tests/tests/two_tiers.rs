//! What calls get of a second tier, and what they leave there.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use cache_core::{
    Cache, CacheBuilder, CachedCall, Explained, FunctionStats, Miss, RedisMiss, Source, cached,
    testing::{FakeRedis, ManualClock},
};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tests::{Runs, SOON, process, until};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

static USERS: Runs = Runs::new();

fn ada(id: u64) -> User {
    User {
        id,
        name: "Ada".into(),
    }
}

#[cached(ttl = 1h)]
async fn user(id: u64) -> Option<User> {
    USERS.add();
    (id != 404).then(|| ada(id))
}

async fn built(builder: CacheBuilder) -> Cache {
    builder.build().await.unwrap()
}

/// A cache as another process would have it.
async fn explain<C>(cache: &Cache, call: C) -> Explained<C::Output>
where
    C: CachedCall<Output: 'static>,
{
    Cache::scope(cache.clone(), call.explain()).await.unwrap()
}

/// The first row of a function.
fn row(cache: &Cache, name: &str) -> FunctionStats {
    cache.stats().function(name).unwrap().clone()
}

async fn until_written(redis: &FakeRedis, writes: u64) {
    until("Redis was written to", || redis.writes() >= writes).await;
}

#[tokio::test]
async fn a_second_process_starts_warm() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    let loaded = explain(&here, user(1)).await;
    assert_eq!(
        (loaded.source, loaded.miss, loaded.redis),
        (Source::Load, Some(Miss::Absent), Some(RedisMiss::Absent))
    );
    let left = here.close(SOON).await;
    assert_eq!((left.loads, left.fills), (0, 0));

    let read = explain(&there, user(1)).await;
    assert_eq!((read.source, read.value), (Source::Redis, Some(ada(1))));
    assert!(read.time_left.unwrap() <= Duration::from_hours(1));
    assert_eq!(explain(&there, user(1)).await.source, Source::Memory);
    let row = row(&there, "user");
    assert_eq!((row.redis_hits, row.loads, row.hits), (1, 0, 1));
}

#[tokio::test]
async fn an_absence_travels_like_a_value() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    Cache::scope(here.clone(), user(404)).await;
    let _ = here.close(SOON).await;
    let read = explain(&there, user(404)).await;
    assert_eq!((read.source, read.value), (Source::Redis, None));
}

#[tokio::test]
async fn memory_never_outlives_what_redis_said() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let builder = || Cache::builder().fake_redis(&redis).clock(clock.clock());
    let (here, there) = (built(builder()).await, built(builder()).await);
    Cache::scope(here.clone(), user(2)).await;
    let _ = here.close(SOON).await;

    clock.advance(Duration::from_secs(3_599));
    let read = explain(&there, user(2)).await;
    assert_eq!(read.source, Source::Redis);
    assert_eq!(read.age, Duration::from_secs(3_599));
    assert_eq!(read.time_left, Some(Duration::from_secs(1)));
    clock.advance(Duration::from_millis(999));
    assert_eq!(explain(&there, user(2)).await.source, Source::Memory);
    clock.advance(Duration::from_millis(1));
    let loaded = explain(&there, user(2)).await;
    assert_eq!(
        (loaded.source, loaded.miss),
        (Source::Load, Some(Miss::Expired))
    );
}

#[tokio::test]
async fn one_read_of_redis_answers_all_who_wait() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    Cache::scope(here.clone(), user(3)).await;
    let _ = here.close(SOON).await;
    let reads = redis.reads();
    redis.delay(Duration::from_millis(20));
    let calls = (0..50).map(|_| user(3));
    let values = Cache::scope(there.clone(), join_all(calls)).await;
    assert!(values.iter().all(|value| *value == Some(ada(3))));
    assert_eq!(redis.reads() - reads, 1);
    let row = row(&there, "user");
    assert_eq!((row.loads, row.redis_hits, row.shared_loads), (0, 1, 49));
}

#[tokio::test]
async fn an_eviction_removes_the_entry_in_both_tiers() {
    let redis = FakeRedis::new();
    let here = process(&redis).await;
    Cache::scope(here.clone(), async {
        user(4).await;
        until_written(&redis, 1).await;
        assert_eq!(redis.keys().len(), 1);
        user(4).evict().await.unwrap();
        assert_eq!(redis.keys(), [""; 0]);
        assert_eq!(user(4).peek().await, None);
        // Right behind a load, whose value may still be on its way.
        for _ in 0..100 {
            user(4).await;
            user(4).evict().await.unwrap();
            assert_eq!(redis.keys(), [""; 0]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_read_that_an_eviction_overtook_is_not_kept() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    Cache::scope(here.clone(), user(5)).await;
    let _ = here.close(SOON).await;
    redis.delay(Duration::from_millis(50));
    Cache::scope(there.clone(), async {
        let reading = user(5);
        let evicting = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            user(5).evict().await.unwrap();
        };
        futures::join!(reading, evicting);
    })
    .await;
    assert_eq!(there.stats().entries, 0);
}

static COUNTED: Runs = Runs::new();

#[cached(ttl = 1h)]
async fn counted(_id: u64) -> usize {
    COUNTED.add()
}

#[tokio::test]
async fn a_refresh_asks_the_source_and_replaces_both_entries() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    Cache::scope(here.clone(), async {
        let first = counted(1).await;
        until_written(&redis, 1).await;
        let reads = redis.reads();
        let second = counted(1).refresh().await.unwrap();
        assert_ne!(first, second);
        assert_eq!(redis.reads(), reads);
        until_written(&redis, 2).await;
        assert_eq!(explain(&there, counted(1)).await.value, second);
    })
    .await;
}

#[tokio::test]
async fn what_is_put_is_what_other_processes_get() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    Cache::scope(here.clone(), counted(2).put(1_234))
        .await
        .unwrap();
    let _ = here.close(SOON).await;
    let peeked = Cache::scope(there.clone(), counted(2).peek()).await;
    assert_eq!(peeked, Some(1_234));
    assert_eq!(there.stats().entries, 0, "a peek changes nothing");
}

#[cached(ttl = 1h, keep_if = |value| *value < 10)]
async fn small(n: u64) -> u64 {
    n
}

#[tokio::test]
async fn what_is_not_to_be_kept_leaves_nothing_behind() {
    let redis = FakeRedis::new();
    let here = process(&redis).await;
    Cache::scope(here.clone(), async {
        small(10).await;
        small(9).await;
        until_written(&redis, 1).await;
        assert_eq!(redis.keys().len(), 1);
        small(9).put(11).await.unwrap();
        until_written(&redis, 2).await;
        until("the outdated entry is gone", || redis.keys().is_empty()).await;
    })
    .await;
}

#[cached(ttl = 1h, tiers = redis)]
async fn only_there(n: u64) -> u64 {
    n
}

#[cached(ttl = 1h, tiers = memory)]
async fn only_here(n: u64) -> u64 {
    n
}

#[tokio::test]
async fn a_function_uses_the_tiers_it_names() {
    let redis = FakeRedis::new();
    let here = process(&redis).await;
    Cache::scope(here.clone(), async {
        only_here(1).await;
        assert_eq!(redis.reads(), 0);
        only_there(1).await;
        until_written(&redis, 1).await;
        for _ in 0..3 {
            let read = only_there(1).explain().await.unwrap();
            assert_eq!(
                (read.source, read.miss),
                (Source::Redis, Some(Miss::NotInMemory))
            );
        }
        assert_eq!(only_there(1).peek().await, Some(1));
        only_there(2).prefetch().await.unwrap();
        until_written(&redis, 2).await;
        assert_eq!(only_there(2).explain().await.unwrap().source, Source::Redis);
    })
    .await;
    assert_eq!(redis.writes(), 2);
    assert_eq!(row(&here, "only_there").entries, 0);
}

#[cached(ttl = 1h, err_ttl = 1h)]
async fn failing(n: u64) -> Result<u64, String> {
    Err(format!("no {n}"))
}

#[tokio::test]
async fn an_error_stays_in_the_process_that_met_it() {
    let redis = FakeRedis::new();
    let here = process(&redis).await;
    Cache::scope(here.clone(), async {
        failing(1).await.unwrap_err();
        let again = failing(1).explain().await.unwrap();
        assert_eq!(again.source, Source::Memory);
    })
    .await;
    let _ = here.close(SOON).await;
    assert_eq!(redis.writes(), 0);
}

#[cached(ttl = 1h)]
async fn by_text(text: &str, flag: Option<bool>) -> String {
    format!("{text}{flag:?}")
}

#[tokio::test]
async fn every_key_has_an_entry_of_its_own_however_long() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    let texts: Vec<String> = ["", "a:b", "~", "é", "a b\r\n*1", "{x}"]
        .map(str::to_owned)
        .into_iter()
        .chain((195..210).map(|n| "x".repeat(n)))
        .chain([format!("{}y", "x".repeat(299)), "x".repeat(300)])
        .collect();
    for cache in [&here, &there] {
        for text in &texts {
            for flag in [None, Some(true)] {
                let value = Cache::scope(cache.clone(), by_text(text, flag)).await;
                assert_eq!(value, format!("{text}{flag:?}"));
            }
        }
        let _ = cache.close(SOON).await;
    }
    let keys = redis.keys();
    assert_eq!(keys.len(), texts.len() * 2);
    let is_safe = |key: &String| key.len() < 320 && !key.contains(char::is_whitespace);
    assert!(keys.iter().all(is_safe), "{keys:?}");
    let row = row(&there, "by_text");
    assert_eq!((row.loads, row.redis_hits), (0, texts.len() as u64 * 2));
}

#[tokio::test]
async fn a_key_can_be_read_by_people() {
    let redis = FakeRedis::new();
    let cache = built(Cache::builder().namespace("shop").fake_redis(&redis)).await;
    Cache::scope(cache.clone(), by_text("a b", Some(true))).await;
    let _ = cache.close(SOON).await;
    let key = redis.keys().remove(0);
    let rest = key.strip_prefix("shop:e:two_tiers::by_text:").unwrap();
    assert!(rest.ends_with(":a%20b:+true"), "{key}");
    assert_eq!(rest.find(':'), Some(16), "{key}");
}

#[tokio::test]
async fn two_namespaces_share_nothing() {
    let redis = FakeRedis::new();
    let shop = built(Cache::builder().namespace("shop").fake_redis(&redis)).await;
    let mall = built(Cache::builder().namespace("mall").fake_redis(&redis)).await;
    Cache::scope(shop.clone(), user(6)).await;
    let _ = shop.close(SOON).await;
    assert_eq!(explain(&mall, user(6)).await.source, Source::Load);
}

#[tokio::test]
async fn a_prefetch_takes_what_redis_has() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    Cache::scope(here.clone(), user(7)).await;
    let _ = here.close(SOON).await;
    Cache::scope(there.clone(), async {
        user(7).prefetch().await.unwrap();
        until("it is in memory", || there.stats().entries == 1).await;
        assert_eq!(user(7).explain().await.unwrap().source, Source::Memory);
        assert_eq!(row(&there, "user").loads, 0);
        user(8).prefetch().await.unwrap();
        until("it was loaded", || there.stats().entries == 2).await;
    })
    .await;
}

#[tokio::test]
async fn a_bypass_touches_no_tier() {
    let redis = FakeRedis::new();
    let here = process(&redis).await;
    Cache::scope(here.clone(), user(9).bypass()).await.unwrap();
    let _ = here.close(SOON).await;
    assert_eq!((redis.reads(), redis.writes()), (0, 0));
}

#[test]
fn a_call_outside_any_runtime_loads() {
    let redis = FakeRedis::new();
    let cache = futures::executor::block_on(process(&redis));
    let value = futures::executor::block_on(Cache::scope(cache, user(10)));
    assert_eq!(value, Some(ada(10)));
}

#[tokio::test]
async fn what_an_answer_says_of_redis_is_a_sentence() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    let said = explain(&here, user(11)).await.to_string();
    assert!(
        said.starts_with(
            "`two_tiers::user` for `11`: loaded because there was no entry and Redis had no entry, "
        ),
        "{said}"
    );
    let _ = here.close(SOON).await;
    let said = explain(&there, user(11)).await.to_string();
    assert!(
        said.contains(": from Redis because there was no entry, "),
        "{said}"
    );
}

#[cached(ttl = 1h, key = n)]
async fn with<F: Fn() -> u64 + Send + Sync + 'static>(function: F, n: u64) -> u64 {
    function() + n
}

#[tokio::test]
async fn what_has_no_name_of_its_own_shares_no_entry() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    Cache::scope(cache.clone(), async {
        assert_eq!(with(|| 100, 1).await, 101);
        assert_eq!(with(|| 200, 1).await, 201);
        let first = {
            #[cached(ttl = 1h)]
            async fn price(_n: u64) -> u64 {
                1
            }
            price(7).await
        };
        let second = {
            #[cached(ttl = 1h)]
            async fn price(_n: u64) -> u64 {
                2
            }
            price(7).await
        };
        assert_eq!((first, second), (1, 2));
    })
    .await;
}

#[tokio::test]
async fn a_shortened_ttl_holds_for_entries_from_before() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let builder = || Cache::builder().fake_redis(&redis).clock(clock.clock());
    let here = built(builder()).await;
    Cache::scope(here.clone(), former_rate(1)).await;
    let _ = here.close(SOON).await;
    clock.advance(Duration::from_secs(4));
    let read = explain(&built(builder()).await, rate(1)).await;
    assert_eq!(
        (read.source, read.time_left),
        (Source::Redis, Some(Duration::from_secs(6)))
    );
    clock.advance(Duration::from_secs(6));
    let expired = explain(&built(builder()).await, rate(1)).await;
    assert_eq!(
        (expired.source, expired.redis),
        (Source::Load, Some(RedisMiss::Expired))
    );
}

#[cached(ttl = |token| Duration::from_secs(*token), name = "shop::token")]
async fn token(_n: u64) -> u64 {
    LEFT.load(std::sync::atomic::Ordering::SeqCst)
}

static LEFT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(100);

#[tokio::test]
async fn a_value_that_says_how_long_it_lives_is_believed() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let builder = || Cache::builder().fake_redis(&redis).clock(clock.clock());
    let here = built(builder()).await;
    Cache::scope(here.clone(), token(1)).await;
    let _ = here.close(SOON).await;
    clock.advance(Duration::from_mins(1));
    let read = explain(&built(builder()).await, token(1)).await;
    assert_eq!(
        (read.source, read.time_left),
        (Source::Redis, Some(Duration::from_secs(40)))
    );
}

#[cached(ttl = 1h, name = "shop::either")]
async fn plain(n: u64) -> u64 {
    n
}

#[cached(ttl = 1h, name = "shop::either")]
async fn fallible(n: u64) -> Result<u64, String> {
    Ok(n)
}

#[tokio::test]
async fn functions_that_share_a_name_share_values_and_nothing_else() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    Cache::scope(cache, async {
        redis.delay(Duration::from_millis(10));
        // The value of the first is still on its way.
        assert_eq!(plain(1).await, 1);
        assert_eq!(fallible(1).await, Ok(1));
        until_written(&redis, 1).await;
        redis.recover();
        assert_eq!(fallible(2).await, Ok(2));
        assert_eq!(plain(2).await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_prefetch_loads_in_the_scope_of_its_caller() {
    #[cached(ttl = 1h, name = "shop::outer")]
    async fn outer(n: u64) -> u64 {
        user(n).await.map_or(0, |user| user.id)
    }
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    Cache::scope(cache.clone(), outer(77).prefetch())
        .await
        .unwrap();
    until("both are kept", || cache.stats().entries == 2).await;
}

#[cached(ttl = 24h, name = "shop::rate")]
async fn former_rate(n: u64) -> u64 {
    n
}

#[cached(ttl = 10s, name = "shop::rate")]
async fn rate(n: u64) -> u64 {
    n
}

/// Reading it reaches the function that returns it.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Curious(u64);

impl<'de> Deserialize<'de> for Curious {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let _ = futures::FutureExt::now_or_never(curious(1).peek());
        u64::deserialize(deserializer).map(Self)
    }
}

#[cached(ttl = 1h)]
async fn curious(n: u64) -> Curious {
    Curious(n)
}

#[tokio::test]
async fn a_value_that_calls_its_own_function_when_it_is_read_stalls_nobody() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    let call = Cache::scope(cache, curious(2));
    let answered = tokio::time::timeout(SOON, call).await;
    assert_eq!(answered.unwrap(), Curious(2));
}

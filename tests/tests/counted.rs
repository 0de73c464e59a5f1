//! What is counted of a function: why it was not answered, what it was served instead, and how long that took.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{collections::HashMap, time::Duration};

use cache_core::{
    Cache, CachedCall, Event, FunctionStats, Miss, RedisMiss, Stale, cached,
    testing::{FakeRedis, ManualClock},
};
use tests::process;
use tokio::time::sleep;

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

#[derive(Event)]
#[event(used_elsewhere)]
struct TeamChanged {
    team: u64,
}

const LOAD: Duration = Duration::from_millis(40);

#[cached(ttl = 1m, invalidate_on = [UserChanged { id }, TeamChanged { team: id % 2 }])]
async fn user(id: u64) -> u64 {
    sleep(LOAD).await;
    id
}

#[cached(ttl = 1m, strategy = [stale_while_revalidate(1m), stale_if_error(1h)])]
async fn price(id: u64, fails: bool) -> Result<u64, String> {
    if fails {
        return Err("no".to_owned());
    }
    Ok(id)
}

#[cached(ttl = 1h, weight = |_| 1 << 20)]
async fn page(id: u64) -> u64 {
    id
}

fn row(cache: &Cache, name: &str) -> FunctionStats {
    cache.stats().function(name).unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn each_miss_is_counted_by_its_reason_and_by_the_event_that_caused_it() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
    Cache::scope(cache.clone(), async {
        user(1).await; // absent
        user(1).await;
        for _ in 0..2 {
            Cache::current().emit(UserChanged { id: 1 }).await.unwrap();
            user(1).await;
        }
        Cache::current()
            .emit(TeamChanged { team: 1 })
            .await
            .unwrap();
        user(1).explain().await.unwrap();
        clock.advance(Duration::from_mins(2));
        user(1).await;
        user(1).bypass().await.unwrap();
        user(1).refresh().await.unwrap();
        user(1).evict().await.unwrap();
        assert_eq!(user(1).peek().await, None);
    })
    .await;
    let row = row(&cache, "user");
    assert_eq!(
        row.missed,
        [
            (Miss::Absent, 1),
            (Miss::Expired, 1),
            (Miss::Invalidated, 3)
        ]
    );
    let by = [("TeamChanged".to_owned(), 1), ("UserChanged".to_owned(), 2)];
    assert_eq!(row.invalidated_by, by);
    assert_eq!((row.hits, row.loads, row.bypassed), (1, 7, 1));
    assert_eq!(row.missed(Miss::Evicted), 0);
    let shown = cache.stats().to_string();
    let line = "counted::user: 1 expired, 3 invalidated, 1 by `TeamChanged`, 2 by `UserChanged`";
    assert!(shown.lines().any(|shown| shown == line), "{shown}");
}

#[tokio::test]
async fn what_there_was_no_room_for_is_told_from_what_was_never_there() {
    let limit = 8 << 20;
    let cache = Cache::builder().memory_limit(limit).build().await.unwrap();
    Cache::scope(cache.clone(), async {
        for id in 0..40 {
            page(id).await;
        }
        let evicted = row(&cache, "page").evictions;
        assert!(evicted > 20, "{evicted}");
        assert_eq!(row(&cache, "page").missed, [(Miss::Absent, 40)]);
        let (mut again, mut unknown) = (0, 0);
        for id in 0..40 {
            match page(id).explain().await.unwrap().miss {
                Some(Miss::Evicted) => again += 1,
                Some(Miss::Absent) => unknown += 1,
                miss => assert_eq!(miss, None),
            }
        }
        // Of two keys whose places are one, the first is not known any more.
        assert!(
            unknown <= 3 && again + unknown >= evicted,
            "{again}, {unknown}"
        );
        assert_eq!(row(&cache, "page").missed(Miss::Evicted), again);
        assert_eq!(row(&cache, "page").missed(Miss::Absent), 40 + unknown);
        // By hand is no lack of room.
        for id in 0..40 {
            page(id).await;
            page(id).evict().await.unwrap();
        }
        let before = row(&cache, "page").missed(Miss::Evicted);
        for id in 0..8 {
            page(id).await;
        }
        assert_eq!(row(&cache, "page").missed(Miss::Evicted), before);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn stale_values_are_counted_by_the_reason_they_were_served_for() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
    Cache::scope(cache.clone(), async {
        price(1, false).await.unwrap();
        clock.advance(Duration::from_secs(90));
        price(1, false).await.unwrap();
        sleep(Duration::from_secs(1)).await;
    })
    .await;
    let row = row(&cache, "price");
    assert_eq!(row.stale_by, [(Stale::Revalidating, 1)]);
    assert_eq!((row.stale, row.unproven), (1, 0));
    // It was served all the same.
    assert_eq!(row.missed, [(Miss::Absent, 1)]);
}

#[tokio::test(start_paused = true)]
async fn reads_of_redis_that_do_not_help_are_counted_by_their_reason() {
    let redis = FakeRedis::new();
    let (one, other) = (process(&redis).await, process(&redis).await);
    let ask = |cache: &Cache, id| Cache::scope(cache.clone(), async move { user(id).await });
    ask(&one, 1).await;
    redis.until(|redis| redis.writes() > 0).await;
    sleep(LOAD).await;
    ask(&other, 1).await;
    redis.damage(|bytes| bytes.truncate(3));
    other.clear();
    ask(&other, 1).await;
    redis.fail();
    ask(&other, 2).await;
    let row = row(&other, "user");
    assert_eq!(row.redis_hits, 1);
    assert_eq!(
        row.redis_missed,
        [(RedisMiss::Damaged, 1), (RedisMiss::Unavailable, 1)]
    );
    let sums = (row.redis_misses, row.redis_unusable, row.redis_faults);
    assert_eq!(sums, (0, 1, 1));
    assert_eq!(row.redis_times.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn loads_and_waits_are_timed_and_what_was_saved_follows_from_them() {
    let cache = Cache::builder().build().await.unwrap();
    Cache::scope(cache.clone(), async {
        tokio::join!(user(1), user(1), user(1));
        for _ in 0..9 {
            user(1).await;
        }
        user(2).bypass().await.unwrap();
    })
    .await;
    let row = row(&cache, "user");
    let (loads, waits) = (row.load_times, row.wait_times);
    assert_eq!((loads.count(), waits.count()), (2, 2));
    assert!(loads.mean() >= LOAD && loads.mean() < 2 * LOAD, "{loads}");
    assert!(waits.mean() >= LOAD && waits.mean() < 2 * LOAD, "{waits}");
    // Two of the eleven had to wait all the same.
    let saved = row.time_saved();
    assert!(saved >= 8 * LOAD && saved <= 10 * LOAD, "{saved:?}");
    assert_eq!(row.hit_ratio(), Some(11.0 / 13.0));
}

#[tokio::test(start_paused = true)]
async fn in_all_is_the_sum_of_all() {
    let cache = Cache::builder().build().await.unwrap();
    Cache::scope(cache.clone(), async {
        user(1).await;
        user(1).await;
        page(1).await;
        page(2).await;
    })
    .await;
    let total = cache.stats().total();
    assert_eq!((total.hits, total.loads, total.entries), (1, 3, 3));
    assert_eq!(total.missed, [(Miss::Absent, 3)]);
    assert_eq!(total.load_times.count(), 3);
    let shown = cache.stats().to_string();
    assert!(
        shown.lines().any(|line| line.starts_with("in all ")),
        "{shown}"
    );
}

/// A process on this Redis and clock.
async fn process_on(redis: &FakeRedis, clock: &ManualClock) -> Cache {
    let builder = Cache::builder().clock(clock.clock()).fake_redis(redis);
    builder.build().await.unwrap()
}

#[cached(ttl = 100s, strategy = refresh_ahead(0.5))]
async fn ahead(id: u64) -> u64 {
    sleep(Duration::from_millis(10)).await;
    id
}

/// Fifty keys from this one on, and whatever follows in the background.
async fn ask_fifty(cache: &Cache, first: u64) {
    for id in first..first + 50 {
        Cache::scope(cache.clone(), ahead(id)).await;
    }
    sleep(Duration::from_secs(1)).await;
}

fn assert_ratio(row: &FunctionStats, expected: f64) {
    let ratio = row.hit_ratio().unwrap();
    assert!((ratio - expected).abs() < 0.001, "{ratio}");
}

#[tokio::test(start_paused = true)]
async fn what_is_loaded_or_read_in_the_background_answers_no_call() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let one = process_on(&redis, &clock).await;
    let other = process_on(&redis, &clock).await;
    ask_fifty(&one, 0).await;
    ask_fifty(&other, 0).await;
    clock.advance(Duration::from_secs(95));
    // One loads the successors, the other serves what it has, and takes them over.
    ask_fifty(&one, 0).await;
    ask_fifty(&other, 0).await;
    let it = row(&one, "ahead");
    assert_eq!((it.hits, it.loads, it.background_loads), (50, 100, 50));
    assert_ratio(&it, 0.5);
    ask_fifty(&other, 1_000).await;
    let it = row(&other, "ahead");
    assert_eq!(
        (it.hits, it.redis_answers, it.loads, it.background_loads),
        (50, 50, 50, 0)
    );
    assert_ratio(&it, 2.0 / 3.0);
    assert!(it.time_saved() <= Duration::from_secs(1));
}

#[cached(ttl = 1h, batch(id in ids, max = 10_000))]
async fn many(ids: &[u64]) -> HashMap<u64, u64> {
    sleep(Duration::from_millis(10)).await;
    ids.iter().map(|id| (*id, *id)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_batch_saves_no_more_than_its_callers_would_have_waited() {
    let cache = Cache::builder().build().await.unwrap();
    let ids: Vec<u64> = (0..1_000).collect();
    for _ in 0..3 {
        Cache::scope(cache.clone(), many(&ids)).await;
    }
    let it = row(&cache, "many");
    assert_eq!((it.loads, it.batch_loads, it.hits), (1_000, 1, 2_000));
    let saved = it.time_saved().as_millis();
    assert!((15..=30).contains(&saved), "{saved} ms of 20");
}

#[cached(ttl = 1m, strategy = stale_while_revalidate(10m))]
async fn lenient(id: u64) -> u64 {
    id
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_that_redis_had_is_counted_as_stale() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let one = process_on(&redis, &clock).await;
    let other = process_on(&redis, &clock).await;
    Cache::scope(one.clone(), lenient(1)).await;
    redis.until(|redis| redis.writes() > 0).await;
    clock.advance(Duration::from_secs(90));
    Cache::scope(other.clone(), lenient(1)).await;
    let it = row(&other, "lenient");
    assert_eq!(it.stale_by, [(Stale::Revalidating, 1)]);
    assert_eq!((it.hits, it.redis_answers), (0, 1));
}

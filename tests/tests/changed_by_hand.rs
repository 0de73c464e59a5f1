//! What one process does to an entry by hand, and what the others have of it then.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;

use cache_core::{
    Cache, CachedCall, Event, cached,
    testing::{FakeRedis, Fault, Operation},
};
use futures::FutureExt;
use tests::{
    SOON, process,
    rows::{Table, ms},
    server::Server,
    until,
};

#[derive(Event)]
#[event(used_elsewhere)]
struct PriceChanged {
    id: u64,
}

#[cached(ttl = 1h, skip(table))]
async fn plain(table: &Table, id: u64, name: &str) -> u64 {
    table.value()
}

#[cached(ttl = 1h, skip(table), tiers = memory)]
async fn in_memory(table: &Table, id: u64, words: &[Option<String>]) -> u64 {
    table.value()
}

#[cached(ttl = 1h, skip(table), invalidate_on = PriceChanged { id })]
async fn price(table: &Table, id: u64) -> u64 {
    table.value()
}

#[cached(ttl = 1h, skip(table))]
async fn of_any<T: cache_core::CacheKey + Sync>(table: &Table, part: &T) -> u64 {
    table.value()
}

fn words() -> Vec<Option<String>> {
    vec![None, Some("a".repeat(300)), Some(String::new())]
}

/// Asks for everything.
async fn all(table: &Table) -> [u64; 4] {
    [
        plain(table, 7, "Ada").await,
        in_memory(table, 7, &words()).await,
        price(table, 7).await,
        of_any(table, &BTreeMap::from([(1_u8, "x")])).await,
    ]
}

async fn peek_all(table: &Table) -> [Option<u64>; 4] {
    [
        plain(table, 7, "Ada").peek().await,
        in_memory(table, 7, &words()).peek().await,
        price(table, 7).peek().await,
        of_any(table, &BTreeMap::from([(1_u8, "x")])).peek().await,
    ]
}

async fn evict_all(table: &Table) {
    plain(table, 7, "Ada").evict().await.unwrap();
    in_memory(table, 7, &words()).evict().await.unwrap();
    price(table, 7).evict().await.unwrap();
    let part = BTreeMap::from([(1_u8, "x")]);
    of_any(table, &part).evict().await.unwrap();
}

/// Waits until the tiers of `cache` give that.
async fn finds(cache: &Cache, table: &Table, expected: [Option<u64>; 4]) {
    let end = tokio::time::Instant::now() + SOON;
    loop {
        let found = Cache::scope(cache.clone(), peek_all(table)).await;
        if found == expected {
            return;
        }
        assert!(tokio::time::Instant::now() < end, "{found:?}");
        tokio::time::sleep(ms(2)).await;
    }
}

async fn is_told_of_everything(here: Cache, there: Cache) {
    let table = &Table::default();
    let before = Cache::scope(there.clone(), all(table)).await;
    assert_eq!(Cache::scope(here.clone(), all(table)).await, before);
    let now = table.change();
    Cache::scope(here.clone(), evict_all(table)).await;
    finds(&there, table, [None; 4]).await;
    assert_eq!(Cache::scope(there.clone(), all(table)).await, [now; 4]);

    let next = table.change();
    Cache::scope(here.clone(), async {
        plain(table, 7, "Ada").refresh().await.unwrap();
        in_memory(table, 7, &words()).refresh().await.unwrap();
        price(table, 7).refresh().await.unwrap();
        let part = BTreeMap::from([(1_u8, "x")]);
        of_any(table, &part).refresh().await.unwrap();
    })
    .await;
    // What was kept in Redis is found there.
    let in_redis = Some(next);
    finds(&there, table, [in_redis, None, in_redis, in_redis]).await;
    // Nobody forgets what it did itself.
    assert_eq!(
        Cache::scope(here.clone(), peek_all(table)).await,
        [in_redis; 4]
    );

    Cache::scope(there.clone(), all(table)).await;
    Cache::scope(here.clone(), async {
        plain(table, 7, "Ada").put(70).await.unwrap();
        in_memory(table, 7, &words()).put(71).await.unwrap();
        price(table, 7).put(72).await.unwrap();
        let part = BTreeMap::from([(1_u8, "x")]);
        of_any(table, &part).put(73).await.unwrap();
    })
    .await;
    // Nobody can say which versions a value was read under that was put.
    finds(&there, table, [Some(70), None, None, Some(73)]).await;
    let own = [Some(70), Some(71), Some(72), Some(73)];
    assert_eq!(Cache::scope(here, peek_all(table)).await, own);
}

#[tokio::test]
async fn another_process_forgets_what_is_changed_by_hand() {
    let redis = FakeRedis::new();
    is_told_of_everything(process(&redis).await, process(&redis).await).await;
}

async fn on(url: String) -> Cache {
    let builder = Cache::builder().namespace("test").redis(url);
    builder.require_redis().build().await.unwrap()
}

#[tokio::test]
async fn another_process_on_redis_forgets_what_is_changed_by_hand() {
    let server = Server::start();
    let socket = format!("unix://{}", server.socket().display());
    is_told_of_everything(on(server.url()).await, on(socket).await).await;
}

#[tokio::test]
async fn another_cache_of_this_process_forgets_what_is_changed_by_hand() {
    let server = Server::start();
    is_told_of_everything(on(server.url()).await, on(server.url()).await).await;
}

#[tokio::test]
async fn a_load_that_another_process_began_before_an_eviction_is_not_kept() {
    #[cached(ttl = 1h, skip(table), name = "slow")]
    async fn slow(table: &Table, id: u64) -> u64 {
        let value = table.value();
        tokio::time::sleep(ms(100)).await;
        value
    }
    let (redis, table) = (FakeRedis::new(), &Table::default());
    let (here, there) = (process(&redis).await, process(&redis).await);
    let load = tests::spawn_in(&there, {
        let table = table.clone();
        async move { slow(&table, 1).await }
    });
    until("the load runs", || {
        there
            .stats()
            .function("slow")
            .is_some_and(|slow| slow.loads == 1)
    })
    .await;
    Cache::scope(here, slow(table, 1).evict()).await.unwrap();
    load.await.unwrap();
    let bytes = there.stats().bytes;
    assert_eq!(bytes, 0, "what is changed meanwhile is not kept in memory");
}

#[tokio::test]
async fn a_message_that_is_lost_harms_nobody() {
    let (redis, table) = (FakeRedis::new(), &Table::default());
    let (here, there) = (process(&redis).await, process(&redis).await);
    let before = Cache::scope(there.clone(), plain(table, 7, "Ada")).await;
    redis.inject(Operation::Message, Fault::Fail);
    Cache::scope(here.clone(), plain(table, 7, "Ada").put(700))
        .await
        .unwrap();
    assert_eq!(Cache::scope(there, plain(table, 7, "Ada")).await, before);
    assert_eq!(Cache::scope(here, plain(table, 7, "Ada")).await, 700);
}

#[cached(ttl = 1h, skip(table))]
async fn item(table: &Table, id: u64) -> u64 {
    table.value()
}

#[tokio::test]
async fn after_an_eviction_in_a_crowd_of_them_no_older_entry_is_seen() {
    let redis = FakeRedis::new();
    let (cache, table) = (process(&redis).await, Table::default());
    Cache::scope(cache.clone(), item(&table, 1)).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    redis.fail();
    for id in 10..66_000 {
        let _ = Cache::scope(cache.clone(), item(&table, id).evict()).now_or_never();
    }
    table.change();
    let _ = Cache::scope(cache.clone(), item(&table, 1).evict()).await;
    redis.recover();
    until("it is asked again", || {
        cache.stats().entries > 0 || redis.writes() > 2_000
    })
    .await;
    let read = Cache::scope(cache.clone(), item(&table, 1).explain());
    let read = read.await.unwrap();
    assert_eq!(read.value, 1, "it was evicted: {read}");
}

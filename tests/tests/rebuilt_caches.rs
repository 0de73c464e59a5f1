//! A cache that is dropped and built again in its process, as after a change of its configuration, knows what was
//! acknowledged to the one before.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::{Duration, Instant};

use cache_core::{Cache, cached};
use tests::{
    SOON,
    proxy::Proxy,
    rows::{RowChanged, Table, filled, ms, on, row, within},
    server::Server,
    until,
};
use tokio::time::sleep;

/// The process that emitted it serves what was before, though the event was acknowledged to it.
async fn own(rebuilds: bool) -> Option<Duration> {
    let bound = ms(2_000);
    let (a, b, table) = (Server::replicable(), Server::replicable(), Table::default());
    b.follow(&a);
    b.is_synced().await;
    let mut cache = on(a.url(), bound).await;
    assert_eq!(within(&cache, row(&table, 1)).await, 0);
    filled(&cache, "row").await;
    until("the replica has it", || {
        b.command(&["KEYS", "test:e:*"]).contains("test:e:")
    })
    .await;
    b.lead();
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    let acknowledged = Instant::now();
    if rebuilds {
        drop(cache);
        cache = on(a.url(), bound).await;
    }
    a.follow(&b);
    a.is_synced().await;
    let mut last = None;
    while acknowledged.elapsed() < ms(3_500) {
        let begin = acknowledged.elapsed();
        if within(&cache, row(&table, 1)).await == 0 {
            last = Some(begin);
        }
        sleep(ms(5)).await;
    }
    last
}

#[tokio::test]
async fn control_who_emitted_it_never_sees_what_was_before() {
    assert_eq!(own(false).await, None);
}

#[tokio::test]
async fn who_emitted_it_never_sees_what_was_before_though_its_cache_was_built_again() {
    assert_eq!(own(true).await, None);
}

/// A process that has moved to the new primary, and loaded there, hears of what the old one acknowledged within the last
/// minute as soon as its emitter has moved too.
async fn said_again(rebuilds: bool) -> Option<u64> {
    let bound = ms(2_000);
    let (a, b, table) = (Server::replicable(), Server::replicable(), Table::default());
    b.follow(&a);
    b.is_synced().await;
    b.lead();
    let proxy = Proxy::to(&a);
    let mut here = on(proxy.url(), bound).await;
    let there = on(b.url(), bound).await;
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    table.set(1);
    // The old primary has not been stopped yet.
    here.emit(RowChanged { id: 1 }).await.unwrap();
    if rebuilds {
        drop(here);
        here = on(proxy.url(), bound).await;
    }
    proxy.lead_to(&b);
    a.follow(&b);
    proxy.close_all();
    sleep(ms(5_000)).await;
    let value = within(&there, row(&table, 1)).await;
    drop(here);
    (value == 0).then_some(value)
}

#[tokio::test]
async fn control_what_the_old_primary_acknowledged_is_said_again() {
    assert_eq!(said_again(false).await, None);
}

#[tokio::test]
async fn what_the_old_primary_acknowledged_is_said_again_by_the_next_cache() {
    assert_eq!(said_again(true).await, None);
}

/// Two spellings of one URL are one place: port and database have defaults.
#[tokio::test]
async fn caches_with_two_spellings_of_one_url_hear_each_other_at_once() {
    let (server, table) = (Server::start(), Table::default());
    let one = on(server.url(), ms(2_000)).await;
    let other = on(format!("{}0", server.url()), ms(2_000)).await;
    for n in 1..100 {
        within(&other, row(&table, 1)).await;
        table.set(n);
        one.emit(RowChanged { id: 1 }).await.unwrap();
        assert_eq!(within(&other, row(&table, 1)).await, n);
    }
}

#[cached(ttl = 1h, skip(table), settle = 2s, tiers = memory, invalidate_on = RowChanged { id })]
async fn lagging(table: &Table, id: u64) -> u64 {
    table.value()
}

#[cached(ttl = 1h, none_ttl = 1h, skip(table), tiers = memory, invalidate_on = |found| RowChanged { id: *found })]
async fn perhaps(table: &Table, id: u64) -> Option<u64> {
    (lagging(table, id).await > 0).then_some(id)
}

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = RowChanged { id })]
async fn shown(table: &Table, id: u64) -> bool {
    perhaps(table, id).await.is_some()
}

async fn settled(hits: bool) -> bool {
    let (cache, table) = (tests::rows::alone().await, Table::default());
    // Notes are taken from the first on.
    within(&cache, lagging(&table, 9)).await;
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    if hits {
        within(&cache, perhaps(&table, 1)).await;
    }
    assert!(!within(&cache, shown(&table, 1)).await);
    // The replica has it now.
    table.set(1);
    sleep(ms(3_500)).await;
    assert!(within(&cache, perhaps(&table, 1)).await.is_some());
    within(&cache, shown(&table, 1)).await
}

#[tokio::test]
async fn control_what_is_made_of_a_none_that_has_not_settled_where_it_is_loaded_for_it() {
    assert!(settled(false).await);
}

#[tokio::test]
async fn what_is_made_of_a_none_that_has_not_settled_from_memory() {
    assert!(settled(true).await);
}

/// "Build this one in a second" is what an event on its way has the next cache be told, where that has another bound.
#[tokio::test]
async fn nor_is_it_forgotten_where_the_next_cache_was_built_too_early() {
    let (a, b, table) = (Server::replicable(), Server::replicable(), Table::default());
    b.follow(&a);
    b.is_synced().await;
    let proxy = Proxy::to(&a);
    let cache = on(proxy.url(), ms(2_000)).await;
    assert_eq!(within(&cache, row(&table, 1)).await, 0);
    filled(&cache, "row").await;
    until("the replica has it", || {
        b.command(&["KEYS", "test:e:*"]).contains("test:e:")
    })
    .await;
    b.lead();
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    assert!(proxy.black_hole_from(&a.clients("cache-core")) > 1);
    let emitter = cache.clone();
    let on_its_way = tokio::spawn(async move { emitter.emit(RowChanged { id: 2 }).await });
    sleep(ms(20)).await;
    on_its_way.abort();
    let _ = on_its_way.await;
    drop(cache);
    let build = async || {
        let builder = Cache::builder().namespace("test").redis(proxy.url());
        let builder = builder.redis_budget(ms(500)).staleness_bound(ms(3_000));
        builder.require_redis().build().await
    };
    assert!(build().await.is_err(), "the event is on its way");
    let begun = Instant::now();
    let cache = loop {
        sleep(ms(500)).await;
        match build().await {
            Ok(cache) => break cache,
            Err(error) => assert!(begun.elapsed() < SOON, "{error}"),
        }
    };
    sleep(ms(200)).await;
    a.follow(&b);
    a.is_synced().await;
    let begun = Instant::now();
    while begun.elapsed() < ms(2_000) {
        assert_eq!(within(&cache, row(&table, 1)).await, 1);
        sleep(ms(5)).await;
    }
}

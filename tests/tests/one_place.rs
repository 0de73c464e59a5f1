//! Caches of one process that share entries: those with another password, those built again, and what one has left to be
//! sent.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::time::{Duration, Instant};

use cache_core::{CachedCall, cached, invalidates};
use tests::{
    proxy::Proxy,
    rows::{RowChanged, Table, explained, filled, least, ms, on, row, within},
    server::Server,
    until,
};
use tokio::time::sleep;

#[derive(Debug)]
struct Failed;

/// Its outcome is not known: it may be committed later.
#[invalidates(RowChanged { id })]
async fn fails(id: u64) -> Result<(), Failed> {
    Err(Failed)
}

async fn told_by_the_next_cache(fails_first: bool) -> (bool, u64) {
    let server = Server::start();
    server.command(&["ACL", "SETUSER", "app", "on", ">a", "~*", "&*", "+@all"]);
    let url =
        |password: &str, host: &str| format!("redis://app:{password}@{host}:{}/", server.port());
    let table = Table::default();
    let cache = on(url("a", "127.0.0.1"), ms(2_000)).await;
    assert_eq!(within(&cache, row(&table, 9)).await, 0);
    // The secret is changed, and the connections of the process that still has the old one break.
    server.command(&["ACL", "SETUSER", "app", "resetpass", ">b"]);
    server.command(&["CLIENT", "KILL", "USER", "app"]);
    sleep(ms(300)).await;
    if fails_first {
        cache.emit(RowChanged { id: 9 }).await.unwrap_err();
    }
    drop(cache);
    let cache = on(url("b", "127.0.0.1"), ms(2_000)).await;
    let there = on(url("b", "localhost"), ms(2_000)).await;
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    filled(&there, "row").await;
    // This process reads Redis well.
    let read = explained(&cache, row_far(&table, 1)).await;
    assert_eq!(read.value, 0, "{read}");
    filled(&cache, "row_far").await;
    let read = explained(&cache, row_far(&table, 1)).await;
    assert_eq!(read.source, cache_core::Source::Redis, "{read}");
    table.set(1);
    let mut is_acknowledged = false;
    for _ in 0..10 {
        is_acknowledged |= cache.emit(RowChanged { id: 1 }).await.is_ok();
        sleep(ms(500)).await;
    }
    let seen = least("there", async || within(&there, row(&table, 1)).await).await;
    (is_acknowledged, seen)
}

#[cached(ttl = 1h, skip(table), tiers = redis)]
async fn row_far(table: &Table, id: u64) -> u64 {
    table.value()
}

#[tokio::test]
async fn control_a_cache_that_is_built_again_with_another_password_tells_the_others() {
    assert_eq!(told_by_the_next_cache(false).await, (true, 1));
}

/// "It is sent until Redis accepts it", and Redis can be reached.
#[tokio::test]
async fn it_does_so_though_the_one_before_left_something_to_be_sent() {
    assert_eq!(told_by_the_next_cache(true).await, (true, 1));
}

#[derive(Clone, Copy, PartialEq)]
enum Which {
    First,
    Second,
    /// The only one, in place of one that was dropped.
    BuiltAgain,
}

/// As `demoted::a_server_that_was_replaced_is_noticed_within_a_short_bound`: for how long after its primary was made a
/// replica a process is served what that has never heard of, by a cache that was built first or second.
async fn behind_a_demotion(which: Which) -> (Duration, u64) {
    let bound = ms(100);
    let (a, b, table) = (Server::replicable(), Server::replicable(), Table::default());
    b.follow(&a);
    b.is_synced().await;
    let here = on(a.url(), bound).await;
    assert_eq!(within(&here, row(&table, 1)).await, 0);
    filled(&here, "row").await;
    until("the replica has it", || {
        b.command(&["KEYS", "test:e:*"]).contains("test:e:")
    })
    .await;
    b.lead();
    table.set(1);
    here.emit(RowChanged { id: 1 }).await.unwrap();
    let mut first = Some(on(a.other_url(), bound).await);
    if which == Which::BuiltAgain {
        // Something is to be said once more in five seconds.
        let cache = first.take().unwrap();
        within(&cache, fails(99)).await.unwrap_err();
        drop(cache);
    }
    let second = on(a.other_url(), bound).await;
    let there = match &first {
        Some(first) if which == Which::First => first.clone(),
        _ => second.clone(),
    };
    a.follow(&b);
    let demoted = Instant::now();
    a.is_synced().await;
    let (mut last, mut stale) = (Duration::ZERO, 0);
    while demoted.elapsed() < ms(2_000) {
        let begin = demoted.elapsed();
        if within(&there, row(&table, 1)).await == 0 {
            last = begin;
            stale += 1;
        }
        sleep(ms(2)).await;
    }
    drop((here, first, second));
    (last, stale)
}

#[tokio::test]
async fn control_the_first_cache_of_a_process_notices_within_a_short_bound() {
    let (last, stale) = behind_a_demotion(Which::First).await;
    assert!(last <= ms(100), "{last:?} ({stale} calls)");
}

/// `guide::coherence`: "a quarter of the bound after a primary was made a replica .. and no longer".
#[tokio::test]
async fn the_second_cache_of_a_process_notices_within_a_short_bound() {
    let (last, stale) = behind_a_demotion(Which::Second).await;
    assert!(last <= ms(100), "{last:?} ({stale} calls)");
}

#[tokio::test]
async fn a_cache_that_is_built_again_notices_within_a_short_bound() {
    let (last, stale) = behind_a_demotion(Which::BuiltAgain).await;
    assert!(last <= ms(100), "{last:?} ({stale} calls)");
}

/// As `demoted::what_a_replaced_server_has_proved_is_proven_no_longer`. Also gives until when the guide lets it: a quarter
/// of the bound behind the demotion, and a tenth of a second for this test.
async fn proven_by_a_replaced_server(is_second: bool) -> (Duration, u64, Duration) {
    let bound = ms(1_800);
    let (a, b, table) = (Server::replicable(), Server::replicable(), Table::default());
    b.follow(&a);
    b.is_synced().await;
    let here = on(a.url(), bound).await;
    assert_eq!(within(&here, row(&table, 1)).await, 0);
    filled(&here, "row").await;
    until("the replica has it", || {
        b.command(&["KEYS", "test:e:*"]).contains("test:e:")
    })
    .await;
    b.lead();
    let proxy = Proxy::to(&a);
    let first = on(proxy.url(), bound).await;
    let begin = Instant::now();
    let at = |time: u64| sleep(ms(time).saturating_sub(begin.elapsed()));
    at(400).await;
    // It is asked whether it is alive at 900, 1400, ..
    let second = on(proxy.url(), bound).await;
    let there = if is_second {
        second.clone()
    } else {
        first.clone()
    };
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    at(2_000).await;
    proxy.refuse();
    a.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    at(2_150).await;
    table.set(1);
    here.emit(RowChanged { id: 1 }).await.unwrap();
    let acknowledged = Instant::now();
    at(3_545).await;
    a.follow(&b);
    a.is_synced().await;
    let until = (acknowledged.elapsed() + bound / 4 + ms(100)).max(bound);
    let (mut last, mut stale) = (Duration::ZERO, 0);
    while acknowledged.elapsed() < ms(5_000) {
        let begin = acknowledged.elapsed();
        if within(&there, row(&table, 1)).await == 0 {
            last = begin;
            stale += 1;
        }
        sleep(ms(5)).await;
    }
    drop((here, first, second));
    (last, stale, until)
}

#[tokio::test]
async fn control_what_a_replaced_server_has_proved_to_the_first_cache() {
    let (last, stale, until) = proven_by_a_replaced_server(false).await;
    assert!(
        last <= until,
        "{last:?} in place of {until:?} ({stale} calls)"
    );
}

#[tokio::test]
async fn what_a_replaced_server_has_proved_to_the_second_cache_is_proven_no_longer() {
    let (last, stale, until) = proven_by_a_replaced_server(true).await;
    assert!(
        last <= until,
        "{last:?} in place of {until:?} ({stale} calls)"
    );
}

/// A password is rotated as it is meant to be: both are good for a while, in which the process builds its next cache and
/// drops the one before; then the old one is removed, and a connection breaks, as each does some day.
#[tokio::test]
async fn a_cache_that_took_the_place_of_one_with_the_old_password_tells_the_others_for_good() {
    let server = Server::start();
    server.command(&[
        "ACL", "SETUSER", "app", "on", ">a", ">b", "~*", "&*", "+@all",
    ]);
    let url =
        |password: &str, host: &str| format!("redis://app:{password}@{host}:{}/", server.port());
    let table = Table::default();
    let there = on(url("b", "localhost"), ms(2_000)).await;
    let before = on(url("a", "127.0.0.1"), ms(2_000)).await;
    let cache = on(url("b", "127.0.0.1"), ms(2_000)).await;
    drop(before);
    cache.emit(RowChanged { id: 9 }).await.unwrap();
    server.command(&["ACL", "SETUSER", "app", "<a"]);
    server.command(&["CLIENT", "KILL", "USER", "app"]);
    sleep(ms(2_000)).await;
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    filled(&there, "row").await;
    table.set(1);
    let begun = Instant::now();
    let mut is_acknowledged = false;
    for _ in 0..12 {
        is_acknowledged |= cache.emit(RowChanged { id: 1 }).await.is_ok();
        sleep(ms(500)).await;
    }
    let seen = least("there", async || within(&there, row(&table, 1)).await).await;
    assert_eq!(
        (is_acknowledged, seen),
        (true, 1),
        "{:?} later",
        begun.elapsed()
    );
}

#[cached(ttl = 1h, skip(table), name = "plain")]
async fn plain(table: &Table, id: u64) -> u64 {
    table.value()
}

/// What another cache of this process, or the next one, reads after an eviction that Redis has not been told of.
async fn evicted(drops: bool) -> u64 {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let table = Table::default();
    let mut first = Some(on(proxy.url(), ms(2_000)).await);
    let cache = first.clone().unwrap();
    assert_eq!(within(&cache, plain(&table, 1)).await, 0);
    filled(&cache, "plain").await;
    let other = if drops {
        None
    } else {
        Some(on(proxy.url(), ms(2_000)).await)
    };
    proxy.black_hole();
    table.set(1);
    within(&cache, plain(&table, 1).evict()).await.unwrap();
    drop(cache);
    if drops {
        first = None;
    }
    proxy.pass();
    proxy.close_all();
    let other = match other {
        Some(other) => other,
        None => on(proxy.url(), ms(2_000)).await,
    };
    until("it reads Redis", || server.clients("cache-core").len() >= 2).await;
    sleep(ms(if drops { 1_000 } else { 0 })).await;
    let read = within(&other, plain(&table, 1)).await;
    drop(first);
    read
}

/// `CachedCall::evict`: "What it could not be told is sent later, and until then this process does not read that entry".
#[tokio::test]
async fn what_was_evicted_is_not_read_by_the_next_cache_of_the_process() {
    assert_eq!(evicted(true).await, 1);
}

/// The same where another cache of the process is there all along, and nobody writes through it.
#[tokio::test]
async fn what_a_dropped_cache_was_about_to_delete_another_one_deletes() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let table = Table::default();
    let dropped = on(proxy.url(), ms(2_000)).await;
    let _other = on(proxy.url(), ms(2_000)).await;
    assert_eq!(within(&dropped, plain(&table, 1)).await, 0);
    filled(&dropped, "plain").await;
    let entries = || server.command(&["KEYS", "*plain*"]);
    let (before, none) = (entries(), server.command(&["KEYS", "nobody"]));
    assert_ne!(before, none);
    proxy.black_hole();
    within(&dropped, plain(&table, 1).evict()).await.unwrap();
    drop(dropped);
    proxy.pass();
    proxy.close_all();
    until("it is deleted", || entries() == none).await;
}

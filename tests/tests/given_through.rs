//! What is made of values through other functions, and what caches of one place leave to each other.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, cached, invalidates};
use tests::{
    proxy::Proxy,
    rows::{
        Noted, RowChanged, Table, alone, explained, filled, least, ms, noted, on, row, within,
        write,
    },
    server::Server,
    spawn_in, until,
};
use tokio::time::{sleep, timeout};

// ---- Functions in between ----

/// Kept for a second, whatever happens: its author accepts that.
#[cached(ttl = 1s, skip(table))]
async fn over_hit(table: Table, id: u64) -> u64 {
    row(&table, id).await
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_over_hit(table: Table, id: u64) -> u64 {
    over_hit(table, id).await
}

/// As `in_between::over_micro(true)`, but for what the function in between found the row in.
async fn through_what_is_in_memory(row_is_in_memory: bool) -> u64 {
    let (cache, table) = (alone().await, Table::default());
    if row_is_in_memory {
        within(&cache, row(&table, 1)).await;
    }
    within(&cache, over_hit(table.clone(), 1)).await;
    assert_eq!(within(&cache, page_over_hit(table.clone(), 1)).await, 0);
    within(&cache, write(&table, 1)).await;
    sleep(ms(2_000)).await;
    assert_eq!(within(&cache, over_hit(table.clone(), 1)).await, 1);
    within(&cache, page_over_hit(table.clone(), 1)).await
}

#[tokio::test]
async fn control_a_page_inherits_through_one_that_has_loaded_the_row() {
    assert_eq!(through_what_is_in_memory(false).await, 1);
}

#[tokio::test]
async fn a_page_inherits_through_one_that_has_found_the_row_in_memory() {
    assert_eq!(through_what_is_in_memory(true).await, 1);
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn listed_over_hit(table: Table, id: u64) -> u64 {
    over_hit(table, id).await
}

async fn shared_over_hit(row_is_in_memory: bool) -> (u64, u64) {
    let (server, table) = (Server::start(), Table::default());
    let (here, there) = (
        on(server.url(), ms(2_000)).await,
        on(server.other_url(), ms(2_000)).await,
    );
    if row_is_in_memory {
        within(&there, row(&table, 1)).await;
    }
    within(&there, over_hit(table.clone(), 1)).await;
    within(&here, write(&table, 1)).await;
    sleep(ms(100)).await;
    // Within the second that its author accepts.
    within(&there, listed_over_hit(table.clone(), 1)).await;
    sleep(ms(3_000)).await;
    assert_eq!(within(&there, over_hit(table.clone(), 1)).await, 1);
    let own = within(&there, listed_over_hit(table.clone(), 1)).await;
    let read = explained(&here, listed_over_hit(table.clone(), 1)).await;
    eprintln!("3 s later, in the process that wrote: {read}");
    (own, read.value)
}

#[tokio::test]
async fn control_what_lists_the_event_over_one_that_loaded_the_row() {
    assert_eq!(shared_over_hit(false).await, (1, 1));
}

#[tokio::test]
async fn what_lists_the_event_over_one_that_found_the_row_in_memory_is_not_stamped_as_new() {
    assert_eq!(shared_over_hit(true).await, (1, 1));
}

/// Of a row that says itself which one it is.
#[cached(ttl = 1s, skip(table))]
async fn over_late(table: Table, id: u64) -> u64 {
    noted(&table, id).await.value
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_over_late(table: Table, id: u64) -> u64 {
    over_late(table, id).await
}

/// Nothing is in memory but the function in between.
#[tokio::test]
async fn a_page_inherits_through_one_that_is_made_of_what_names_its_own_events() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, over_late(table.clone(), 1)).await;
    assert_eq!(within(&cache, page_over_late(table.clone(), 1)).await, 0);
    within(&cache, write(&table, 1)).await;
    sleep(ms(2_000)).await;
    assert_eq!(within(&cache, over_late(table.clone(), 1)).await, 1);
    assert_eq!(within(&cache, page_over_late(table.clone(), 1)).await, 1);
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn inner_page(table: Table, id: u64) -> u64 {
    row(&table, id).await
}

#[cached(ttl = 1s, skip(table))]
async fn over_inner_page(table: Table, id: u64) -> u64 {
    inner_page(table, id).await
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_over_inner_page(table: Table, id: u64) -> u64 {
    over_inner_page(table, id).await
}

#[tokio::test]
async fn a_page_inherits_through_one_that_has_found_a_page_in_memory() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, inner_page(table.clone(), 1)).await;
    within(&cache, over_inner_page(table.clone(), 1)).await;
    assert_eq!(
        within(&cache, page_over_inner_page(table.clone(), 1)).await,
        0
    );
    within(&cache, write(&table, 1)).await;
    sleep(ms(2_000)).await;
    assert_eq!(within(&cache, over_inner_page(table.clone(), 1)).await, 1);
    assert_eq!(
        within(&cache, page_over_inner_page(table.clone(), 1)).await,
        1
    );
}

#[cached(ttl = 1s, skip(table))]
async fn first_of_two(table: Table, id: u64) -> u64 {
    row(&table, id).await
}

#[cached(ttl = 1s, skip(table))]
async fn second_of_two(table: Table, id: u64) -> u64 {
    first_of_two(table, id).await
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_over_both(table: Table, id: u64) -> u64 {
    second_of_two(table, id).await
}

/// Without a scope, as programs have it: in the default cache, or in the installed one.
async fn over_both(in_scope: bool) -> u64 {
    let (cache, table) = (alone().await, Table::default());
    let id = 1_000 + u64::from(in_scope);
    let test = async {
        first_of_two(table.clone(), id).await;
        second_of_two(table.clone(), id).await;
        assert_eq!(page_over_both(table.clone(), id).await, 0);
        write(&table, id).await;
        sleep(ms(2_000)).await;
        assert_eq!(second_of_two(table.clone(), id).await, 1);
        page_over_both(table.clone(), id).await
    };
    if in_scope {
        within(&cache, test).await
    } else {
        test.await
    }
}

#[tokio::test]
async fn control_a_page_inherits_through_two_in_a_scope() {
    assert_eq!(over_both(true).await, 1);
}

#[tokio::test]
async fn a_page_inherits_through_two_in_the_cache_of_the_program() {
    assert_eq!(over_both(false).await, 1);
}

/// Made of another row than the one that it lists.
#[cached(ttl = 1s, skip(table), invalidate_on = RowChanged { id })]
async fn neighbour(table: Table, id: u64) -> u64 {
    row(&table, id + 1).await
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_over_neighbour(table: Table, id: u64) -> u64 {
    neighbour(table, id).await
}

#[cached(ttl = 1h, skip(table), invalidate_on = [RowChanged { id }, RowChanged { id: id + 1 }])]
async fn listed_over_neighbour(table: Table, id: u64) -> u64 {
    neighbour(table, id).await
}

#[tokio::test]
async fn a_page_inherits_through_one_that_lists_another_row() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, neighbour(table.clone(), 1)).await;
    assert_eq!(
        within(&cache, page_over_neighbour(table.clone(), 1)).await,
        0
    );
    within(&cache, write(&table, 2)).await;
    sleep(ms(2_000)).await;
    assert_eq!(within(&cache, neighbour(table.clone(), 1)).await, 1);
    assert_eq!(
        within(&cache, page_over_neighbour(table.clone(), 1)).await,
        1
    );
}

#[tokio::test]
async fn what_lists_all_is_not_made_of_what_lists_another_row() {
    let (server, table) = (Server::start(), Table::default());
    let (here, there) = (
        on(server.url(), ms(2_000)).await,
        on(server.other_url(), ms(2_000)).await,
    );
    within(&there, neighbour(table.clone(), 1)).await;
    within(&here, write(&table, 2)).await;
    sleep(ms(100)).await;
    within(&there, listed_over_neighbour(table.clone(), 1)).await;
    sleep(ms(3_000)).await;
    assert_eq!(within(&there, neighbour(table.clone(), 1)).await, 1);
    let read = explained(&here, listed_over_neighbour(table.clone(), 1)).await;
    assert_eq!(
        read.value, 1,
        "3 s later, in the process that wrote: {read}"
    );
}

/// Without a scope, as programs have it.
#[tokio::test]
async fn a_page_inherits_through_one_that_has_found_the_row_in_the_cache_of_the_program() {
    let (table, id) = (Table::default(), 77);
    row(&table, id).await;
    over_hit(table.clone(), id).await;
    assert_eq!(page_over_hit(table.clone(), id).await, 0);
    write(&table, id).await;
    sleep(ms(2_000)).await;
    assert_eq!(over_hit(table.clone(), id).await, 1);
    assert_eq!(page_over_hit(table, id).await, 1);
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { .. })]
async fn total(table: &Table) -> u64 {
    table.value()
}

/// Lists the event, though not all of it.
#[cached(ttl = 1s, skip(table), invalidate_on = RowChanged { id })]
async fn share_of_total(table: Table, id: u64) -> u64 {
    total(&table).await
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_share(table: Table, id: u64) -> u64 {
    share_of_total(table, id).await
}

#[tokio::test]
async fn a_page_inherits_through_one_that_lists_a_part_of_the_event() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, share_of_total(table.clone(), 1)).await;
    assert_eq!(within(&cache, page_of_share(table.clone(), 1)).await, 0);
    within(&cache, write(&table, 2)).await;
    sleep(ms(2_000)).await;
    assert_eq!(within(&cache, share_of_total(table.clone(), 1)).await, 1);
    assert_eq!(within(&cache, page_of_share(table.clone(), 1)).await, 1);
}

// ---- Calls that are given up ----

#[derive(Clone, Default)]
struct SlowTable {
    value: Arc<AtomicU64>,
    is_slow: Arc<AtomicBool>,
}

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |noted| RowChanged { id: noted.id })]
async fn slow(table: SlowTable, id: u64) -> Noted {
    let value = table.value.load(SeqCst);
    if table.is_slow.load(SeqCst) {
        sleep(ms(400)).await;
    }
    Noted { id, value }
}

/// How it is called.
#[derive(Clone, Copy)]
enum By {
    Call,
    Refresh,
    Explain,
    Bypass,
}

#[cached(ttl = 1h, skip(table, by), inherits)]
async fn page_of_given_up(table: SlowTable, id: u64, by: By) -> u64 {
    let call = slow(table.clone(), id);
    let called = async move {
        match by {
            By::Call => call.await.value,
            By::Refresh => call.refresh().await.unwrap().value,
            By::Explain => call.explain().await.unwrap().value.value,
            By::Bypass => call.bypass().await.unwrap().value,
        }
    };
    timeout(ms(100), called).await.unwrap_or(100)
}

async fn given_up(by: By) -> u64 {
    let (cache, table) = (alone().await, SlowTable::default());
    table.is_slow.store(true, SeqCst);
    assert_eq!(
        within(&cache, page_of_given_up(table.clone(), 1, by)).await,
        100
    );
    table.is_slow.store(false, SeqCst);
    sleep(ms(1_000)).await;
    table.value.store(1, SeqCst);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    within(&cache, page_of_given_up(table.clone(), 1, by)).await
}

#[tokio::test]
async fn control_a_page_of_a_call_that_was_given_up() {
    assert_eq!(given_up(By::Call).await, 1);
}

#[tokio::test]
async fn a_page_of_a_refresh_that_was_given_up() {
    assert_eq!(given_up(By::Refresh).await, 1);
}

#[tokio::test]
async fn a_page_of_an_explained_call_that_was_given_up() {
    assert_eq!(given_up(By::Explain).await, 1);
}

#[tokio::test]
async fn a_page_of_a_bypass_that_was_given_up() {
    assert_eq!(given_up(By::Bypass).await, 1);
}

// ---- Caches of one place ----

/// As `one_place::a_cache_that_took_the_place_of_one_with_the_old_password_tells_the_others_for_good`, where the first
/// attempt to build it was refused for its bound.
async fn rotated(is_refused_first: bool) -> (bool, u64) {
    let server = Server::start();
    server.command(&[
        "ACL", "SETUSER", "app", "on", ">a", ">b", "~*", "&*", "+@all",
    ]);
    let url =
        |password: &str, host: &str| format!("redis://app:{password}@{host}:{}/", server.port());
    let table = Table::default();
    let there = on(url("b", "localhost"), ms(2_000)).await;
    let before = on(url("a", "127.0.0.1"), ms(2_000)).await;
    if is_refused_first {
        let builder = Cache::builder().namespace("test");
        let builder = builder
            .redis(url("b", "127.0.0.1"))
            .staleness_bound(ms(1_000));
        assert!(builder.build().await.is_err());
    }
    let cache = on(url("b", "127.0.0.1"), ms(2_000)).await;
    drop(before);
    cache.emit(RowChanged { id: 9 }).await.unwrap();
    server.command(&["ACL", "SETUSER", "app", "<a"]);
    server.command(&["CLIENT", "KILL", "USER", "app"]);
    sleep(ms(2_000)).await;
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    filled(&there, "row").await;
    table.set(1);
    let mut is_acknowledged = false;
    for _ in 0..12 {
        is_acknowledged |= cache.emit(RowChanged { id: 1 }).await.is_ok();
        sleep(ms(500)).await;
    }
    let seen = least("there", async || within(&there, row(&table, 1)).await).await;
    (is_acknowledged, seen)
}

#[tokio::test]
async fn control_a_password_is_rotated() {
    assert_eq!(rotated(false).await, (true, 1));
}

#[tokio::test]
async fn a_password_is_rotated_though_a_cache_was_refused_in_between() {
    assert_eq!(rotated(true).await, (true, 1));
}

#[cached(ttl = 1h, skip(table), name = "plain13")]
async fn plain(table: &Table, id: u64) -> u64 {
    table.value()
}

/// Whether what one cache evicted is gone from Redis a while after that can be reached again, where another cache of the
/// process, which was sending, is dropped meanwhile.
async fn is_evicted(drops: bool) -> (bool, u64) {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let table = Table::default();
    let first = on(proxy.url(), ms(2_000)).await;
    let second = on(proxy.url(), ms(2_000)).await;
    let there = on(server.other_url(), ms(2_000)).await;
    assert_eq!(within(&first, plain(&table, 1)).await, 0);
    filled(&first, "plain13").await;
    assert_eq!(within(&second, plain(&table, 2)).await, 0);
    filled(&second, "plain13").await;
    sleep(ms(100)).await;
    proxy.black_hole();
    table.set(1);
    within(&first, plain(&table, 1).evict()).await.unwrap();
    within(&second, plain(&table, 2).evict()).await.unwrap();
    let first = (!drops).then_some(first);
    sleep(ms(500)).await;
    proxy.pass();
    proxy.close_all();
    until("it reads Redis", || server.clients("cache-core").len() >= 2).await;
    sleep(ms(5_000)).await;
    let keys = server.command(&["KEYS", "test:e:*"]);
    eprintln!("5 s later: {keys}");
    let read = within(&there, plain(&table, 2)).await;
    drop((first, second));
    (!keys.contains("test:e:"), read)
}

#[tokio::test]
async fn control_what_was_evicted_is_deleted_later() {
    assert_eq!(is_evicted(false).await, (true, 1));
}

/// As `one_place::evicted(true)`; in between a cache of another namespace is built.
async fn evicted_before(is_another_built: bool) -> u64 {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let table = Table::default();
    let cache = on(proxy.url(), ms(2_000)).await;
    assert_eq!(within(&cache, plain(&table, 1)).await, 0);
    filled(&cache, "plain13").await;
    proxy.black_hole();
    table.set(1);
    within(&cache, plain(&table, 1).evict()).await.unwrap();
    drop(cache);
    sleep(ms(300)).await;
    if is_another_built {
        let builder = Cache::builder().namespace("another").redis(server.url());
        drop(builder.require_redis().build().await.unwrap());
    }
    sleep(ms(1_500)).await;
    proxy.pass();
    proxy.close_all();
    let cache = on(proxy.url(), ms(2_000)).await;
    sleep(ms(1_000)).await;
    within(&cache, plain(&table, 1)).await
}

#[tokio::test]
async fn control_what_was_evicted_is_not_read_by_the_next_cache() {
    assert_eq!(evicted_before(false).await, 1);
}

/// "What is on its way when one of them is dropped is sent by the next one that is built within a minute."
#[tokio::test]
async fn what_was_evicted_is_not_read_by_the_next_cache_though_another_was_built_in_between() {
    assert_eq!(evicted_before(true).await, 1);
}

// ---- Second words ----

#[derive(Debug)]
struct Failed;

#[invalidates(RowChanged { id })]
async fn fails(id: u64) -> Result<(), Failed> {
    Err(Failed)
}

/// How long it takes to close a cache behind so many changes that failed, and how many changes are acknowledged meanwhile.
async fn closed_behind(count: u64) -> (Duration, u64, u64) {
    let server = Server::start();
    let builder = Cache::builder().namespace("test").redis(server.url());
    let builder = builder.unknown_outcome(ms(8_000)).redis_budget(ms(500));
    let cache = builder.require_redis().build().await.unwrap();
    let begun = Instant::now();
    for id in 0..count {
        within(&cache, fails(id)).await.unwrap_err();
        if id % (count / 10).max(1) == 0 {
            sleep(ms(50)).await;
        }
    }
    eprintln!("{count} failed in {:?}", begun.elapsed());
    let before = cache.stats().events.acknowledged;
    let closing = Instant::now();
    let left = cache.close(ms(15_000)).await;
    let took = closing.elapsed();
    let words = cache.stats().events.acknowledged - before;
    eprintln!("{count}: closed in {took:?}, {left:?}, {words} acknowledged meanwhile");
    (
        took,
        words,
        server.command(&["INFO", "commandstats"]).len() as u64,
    )
}

#[tokio::test]
async fn control_second_words_are_said_at_once_when_the_cache_is_closed() {
    let (took, words, _) = closed_behind(500).await;
    assert!(took < ms(2_000) && words < 1_200, "{took:?}, {words}");
}

/// `Cache::close`: "What is to be said once more after `unknown_outcome` is said now".
#[tokio::test]
async fn second_words_of_a_crowd_are_said_at_once_when_the_cache_is_closed() {
    let (took, words, _) = closed_behind(5_000).await;
    assert!(took < ms(2_000) && words < 6_000, "{took:?}, {words}");
}

// ---- Passwords that change under load ----

// ---- Many renewals ----

#[cached(ttl = 1h, skip(table), max_concurrent_loads = 1)]
async fn narrow(table: Table, id: u64) -> u64 {
    let value = row(&table, id).await;
    sleep(ms(5)).await;
    value
}

#[cached(ttl = 1h, skip(table), inherits, max_concurrent_loads = 64)]
async fn page_over_narrow(table: Table, page: u64) -> u64 {
    narrow(table, page % 2).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_pages_over_one_that_is_asked_anew_each_load_it_once() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, narrow(table.clone(), 0)).await;
    let pages = (0..64).map(|page| spawn_in(&cache, page_over_narrow(table.clone(), page)));
    let pages: Vec<_> = pages.collect();
    let all = async {
        for page in pages {
            page.await.unwrap();
        }
    };
    timeout(ms(10_000), all).await.unwrap();
    let loads = cache.stats().function("narrow").map_or(0, |it| it.loads);
    assert!(loads <= 65 + 2, "{loads}");
}

//! What the twelfth review shows: each test names the claim that it breaks.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::pedantic,
    missing_docs,
    reason = "a test may fail"
)]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, Event, TimedOut, cached, invalidates};
use tests::{
    proxy::Proxy,
    rows::{
        Noted, RowChanged, Table, alone, explained, filled, ms, on, row, row_here, within, write,
    },
    server::Server,
    spawn_in, until,
};
use tokio::time::{sleep, timeout};

// 1. Second words of a crowd, in a cache without Redis.

#[derive(Debug)]
struct Failed;

/// Its outcome is not known: it may be committed later.
#[invalidates(RowChanged { id })]
async fn fails(id: u64) -> Result<(), Failed> {
    Err(Failed)
}

/// Gives what is served long after the second word of a change that was committed late, though before that was due; with how
/// many other changes failed.
async fn committed_late(others: u64) -> u64 {
    let builder = Cache::builder().unknown_outcome(ms(5_000));
    let (cache, table) = (builder.build().await.unwrap(), Table::default());
    let begun = Instant::now();
    within(&cache, fails(0)).await.unwrap_err();
    sleep(ms(3_000)).await;
    let failed = Instant::now();
    for id in 1..=others {
        within(&cache, fails(id)).await.unwrap_err();
    }
    assert!(begun.elapsed() < ms(4_800), "{:?}", begun.elapsed());
    sleep(ms(5_200).saturating_sub(begun.elapsed())).await;
    assert_eq!(within(&cache, row_here(&table, 1)).await, 0);
    // Committed well within `unknown_outcome`.
    table.set(1);
    assert!(failed.elapsed() < ms(4_000), "{:?}", failed.elapsed());
    sleep(ms(11_000).saturating_sub(begun.elapsed())).await;
    least("11 s behind the first", async || {
        within(&cache, row_here(&table, 1)).await
    })
    .await
}

/// The least of what a thousand calls are served.
async fn least(what: &str, call: impl AsyncFn() -> u64) -> u64 {
    let (mut least, mut stale) = (u64::MAX, 0);
    for _ in 0..1_000 {
        let served = call().await;
        least = least.min(served);
        stale += u64::from(served == 0);
    }
    eprintln!("{what}: {stale} of 1,000 calls are served what was before");
    least
}

#[tokio::test]
async fn control_what_was_committed_late_is_seen_behind_the_second_word() {
    assert_eq!(committed_late(100).await, 1);
}

/// `guide::coherence`: "the event is emitted all the same, and once more after `unknown_outcome`".
#[tokio::test]
async fn second_words_are_not_said_too_early_where_many_wait() {
    assert_eq!(committed_late(3_600).await, 1);
}

// 2. What is made of a call that was late, whose error can be shared.

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    id: u64,
}

#[derive(Clone, Debug)]
struct Late;

impl From<TimedOut> for Late {
    fn from(_: TimedOut) -> Self {
        Self
    }
}

#[derive(Clone, Default)]
struct SlowTable {
    value: Arc<AtomicU64>,
    is_slow: Arc<AtomicBool>,
}

#[cached(ttl = 1h, timeout = 100ms, skip(table), tiers = memory, invalidate_on = |order| OrderChanged { id: order.id })]
async fn slow_order(table: SlowTable, id: u64) -> Result<Noted, Late> {
    let value = table.value.load(SeqCst);
    if table.is_slow.load(SeqCst) {
        sleep(ms(400)).await;
    }
    Ok(Noted { id, value })
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_slow(table: SlowTable, id: u64) -> u64 {
    slow_order(table.clone(), id)
        .await
        .map_or(100, |order| order.value)
}

/// `guide::coherence`: an error that names no event lives for its `err_ttl`, "and what other cached functions with events make of
/// them no longer". The same test is green where the error is not `Clone` (`made_of_nothing`).
#[tokio::test]
async fn a_page_of_an_order_that_was_late_is_not_kept_though_its_error_can_be_shared() {
    let (cache, table) = (alone().await, SlowTable::default());
    table.is_slow.store(true, SeqCst);
    assert_eq!(within(&cache, page_of_slow(table.clone(), 1)).await, 100);
    table.is_slow.store(false, SeqCst);
    sleep(ms(1_000)).await;
    table.value.store(1, SeqCst);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    let own = within(&cache, slow_order(table.clone(), 1)).await;
    assert_eq!(own.unwrap().value, 1);
    assert_eq!(within(&cache, page_of_slow(table.clone(), 1)).await, 1);
}

#[cached(ttl = 1h, none_ttl = 1s, timeout = 100ms, skip(table), tiers = memory, batch(id in ids), invalidate_on = |order| OrderChanged { id: order.id })]
async fn slow_orders(table: SlowTable, ids: Vec<u64>) -> Result<HashMap<u64, Noted>, Late> {
    let value = table.value.load(SeqCst);
    if table.is_slow.load(SeqCst) {
        sleep(ms(400)).await;
    }
    Ok(ids
        .into_iter()
        .map(|id| (id, Noted { id, value }))
        .collect())
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_slow_batch(table: SlowTable, id: u64) -> u64 {
    let orders = slow_orders(table.clone(), vec![id]).await;
    orders.map_or(100, |orders| orders[&id].value)
}

/// The errors of batches have to be `Clone`.
#[tokio::test]
async fn a_page_of_a_batch_that_was_late_is_not_kept() {
    let (cache, table) = (alone().await, SlowTable::default());
    table.is_slow.store(true, SeqCst);
    assert_eq!(
        within(&cache, page_of_slow_batch(table.clone(), 1)).await,
        100
    );
    table.is_slow.store(false, SeqCst);
    sleep(ms(1_000)).await;
    table.value.store(1, SeqCst);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    assert_eq!(
        within(&cache, page_of_slow_batch(table.clone(), 1)).await,
        1
    );
}

// 2b. The same where the page itself gives up, or peeks.

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |order| OrderChanged { id: order.id })]
async fn order(table: SlowTable, id: u64) -> Noted {
    let value = table.value.load(SeqCst);
    if table.is_slow.load(SeqCst) {
        sleep(ms(400)).await;
    }
    Noted { id, value }
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_given_up(table: SlowTable, id: u64) -> u64 {
    timeout(ms(100), order(table.clone(), id))
        .await
        .map_or(100, |order| order.value)
}

#[tokio::test]
async fn a_page_of_an_order_that_was_given_up_is_void_after_the_event() {
    let (cache, table) = (alone().await, SlowTable::default());
    table.is_slow.store(true, SeqCst);
    assert_eq!(
        within(&cache, page_of_given_up(table.clone(), 1)).await,
        100
    );
    table.is_slow.store(false, SeqCst);
    sleep(ms(1_000)).await;
    table.value.store(1, SeqCst);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    assert_eq!(within(&cache, page_of_given_up(table.clone(), 1)).await, 1);
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_peeked(table: SlowTable, id: u64) -> u64 {
    order(table.clone(), id)
        .peek()
        .await
        .map_or(100, |order| order.value)
}

#[tokio::test]
async fn a_page_of_a_peek_that_found_nothing_is_void_after_the_event() {
    let (cache, table) = (alone().await, SlowTable::default());
    assert_eq!(within(&cache, page_of_peeked(table.clone(), 1)).await, 100);
    table.value.store(1, SeqCst);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    within(&cache, order(table.clone(), 1)).await;
    assert_eq!(within(&cache, page_of_peeked(table.clone(), 1)).await, 1);
}

// 3. What is made of a row through a function in between that keeps nothing, and that somebody else has called.

#[cached(ttl = 1h, skip(table), keep_if = |_| false)]
async fn between(table: Table, id: u64) -> u64 {
    let value = row(&table, id).await;
    sleep(ms(200)).await;
    value
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_over_two(table: Table, id: u64) -> u64 {
    between(table, id).await
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn listed_over_two(table: Table, id: u64) -> u64 {
    between(table, id).await
}

async fn inherited(joins: bool) -> u64 {
    let (cache, table) = (alone().await, Table::default());
    if joins {
        spawn_in(&cache, between(table.clone(), 1));
        sleep(ms(50)).await;
    }
    assert_eq!(within(&cache, page_over_two(table.clone(), 1)).await, 0);
    within(&cache, write(&table, 1)).await;
    sleep(ms(500)).await;
    least("inherits", async || {
        within(&cache, page_over_two(table.clone(), 1)).await
    })
    .await
}

#[tokio::test]
async fn control_events_are_inherited_over_two_levels() {
    assert_eq!(inherited(false).await, 1);
}

#[tokio::test]
async fn events_are_inherited_over_two_levels_also_where_another_call_loads_the_one_between() {
    assert_eq!(inherited(true).await, 1);
}

async fn listed(joins: bool) -> (u64, u64) {
    let (cache, table) = (alone().await, Table::default());
    if joins {
        spawn_in(&cache, between(table.clone(), 1));
        sleep(ms(50)).await;
    }
    within(&cache, write(&table, 1)).await;
    let behind = within(&cache, listed_over_two(table.clone(), 1)).await;
    sleep(ms(1_000)).await;
    let call = async || within(&cache, listed_over_two(table.clone(), 1)).await;
    (behind, least("lists it", call).await)
}

#[tokio::test]
async fn control_who_lists_the_event_sees_it() {
    assert_eq!(listed(false).await, (1, 1));
}

#[tokio::test]
async fn who_lists_the_event_sees_it_also_where_another_call_loads_the_one_between() {
    assert_eq!(listed(true).await, (1, 1));
}

/// Without any fault: in the process that changed it, from the other one, for as long as it lives.
#[tokio::test]
async fn nor_is_it_stamped_as_new_for_all_processes() {
    let (server, table) = (Server::start(), Table::default());
    let (here, there) = (
        on(server.url(), ms(2_000)).await,
        on(server.other_url(), ms(2_000)).await,
    );
    spawn_in(&there, between(table.clone(), 1));
    sleep(ms(50)).await;
    within(&here, write(&table, 1)).await;
    // It has been heard of by then.
    sleep(ms(60)).await;
    within(&there, listed_over_two(table.clone(), 1)).await;
    filled(&there, "listed_over_two").await;
    sleep(ms(4_000)).await;
    least("here, 4 s later", async || {
        Cache::scope(here.clone(), listed_over_two(table.clone(), 1).peek())
            .await
            .unwrap_or(0)
    })
    .await;
    let read = explained(&here, listed_over_two(table.clone(), 1)).await;
    assert_eq!(
        read.value, 1,
        "4 s later, in the process that wrote: {read}"
    );
}

/// Kept for a second, whatever happens: its author accepts that.
#[cached(ttl = 1s, skip(table))]
async fn micro(table: Table, id: u64) -> u64 {
    row(&table, id).await
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_over_micro(table: Table, id: u64) -> u64 {
    micro(table, id).await
}

async fn over_micro(is_in_memory: bool) -> u64 {
    let (cache, table) = (alone().await, Table::default());
    if is_in_memory {
        within(&cache, micro(table.clone(), 1)).await;
    }
    assert_eq!(within(&cache, page_over_micro(table.clone(), 1)).await, 0);
    within(&cache, write(&table, 1)).await;
    sleep(ms(2_000)).await;
    assert_eq!(within(&cache, micro(table.clone(), 1)).await, 1);
    within(&cache, page_over_micro(table.clone(), 1)).await
}

#[tokio::test]
async fn control_a_page_inherits_through_one_without_events_that_it_loads() {
    assert_eq!(over_micro(false).await, 1);
}

/// README: "`inherits` takes over those of cached functions that are called inside".
#[tokio::test]
async fn a_page_inherits_through_one_without_events_that_was_in_memory() {
    assert_eq!(over_micro(true).await, 1);
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn listed_over_micro(table: Table, id: u64) -> u64 {
    micro(table, id).await
}

/// `guide::coherence`: "Where the value cannot be asked about, what is made of it stays in memory too."
#[tokio::test]
async fn what_lists_the_event_and_is_made_of_what_cannot_be_asked_about_is_not_shared() {
    let (server, table) = (Server::start(), Table::default());
    let (here, there) = (
        on(server.url(), ms(2_000)).await,
        on(server.other_url(), ms(2_000)).await,
    );
    within(&there, micro(table.clone(), 1)).await;
    within(&here, write(&table, 1)).await;
    sleep(ms(100)).await;
    // Within the second that its author accepts.
    within(&there, listed_over_micro(table.clone(), 1)).await;
    sleep(ms(3_000)).await;
    assert_eq!(within(&there, micro(table.clone(), 1)).await, 1);
    let read = explained(&here, listed_over_micro(table.clone(), 1)).await;
    assert_eq!(
        read.value, 1,
        "3 s later, in the process that wrote: {read}"
    );
}

// 4. A refresh while its event is held.

/// `CachedCall::refresh`: "replaces the entry in both and gives the value".
#[tokio::test]
async fn what_was_refreshed_under_a_hold_is_not_followed_by_what_was_before() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, row(&table, 1)).await, 0);
    let hold = cache.hold(RowChanged { id: 1 });
    // By hand.
    table.set(1);
    assert_eq!(within(&cache, row(&table, 1).refresh()).await.unwrap(), 1);
    let held = within(&cache, row(&table, 1)).await;
    hold.cancel();
    assert_eq!((held, within(&cache, row(&table, 1)).await), (1, 1));
}

// 5. Second words where Redis refuses events.

/// In the process that made the change, whether Redis could be reached or not.
async fn second_word_where(refuses: bool) -> u64 {
    let server = Server::start();
    let rules = ["ACL", "SETUSER", "u", "on", ">p", "~test:*", "+@all"];
    server.command(&rules);
    if !refuses {
        server.command(&["ACL", "SETUSER", "u", "&*"]);
    }
    let url = format!("redis://u:p@127.0.0.1:{}/", server.port());
    let builder = Cache::builder().namespace("test").redis(url);
    let builder = builder.unknown_outcome(ms(4_000)).redis_budget(ms(500));
    let (cache, table) = (builder.build().await.unwrap(), Table::default());
    let begun = Instant::now();
    within(&cache, fails(1)).await.unwrap_err();
    sleep(ms(3_300).saturating_sub(begun.elapsed())).await;
    assert_eq!(within(&cache, row_here(&table, 1)).await, 0);
    table.set(1);
    // The second word is due 4 s behind the first.
    sleep(ms(5_200).saturating_sub(begun.elapsed())).await;
    within(&cache, row_here(&table, 1)).await
}

#[tokio::test]
async fn control_the_second_word_is_said_in_time() {
    assert_eq!(second_word_where(false).await, 1);
}

#[tokio::test]
async fn the_second_word_is_said_in_time_in_its_own_process_though_redis_refuses_it() {
    assert_eq!(second_word_where(true).await, 1);
}

// 6. A cache that is built again with another password, as the one before has become wrong.

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
    let served = least("there", async || within(&there, row(&table, 1)).await).await;
    (is_acknowledged, served)
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

// 7. The second cache of one process with one URL: nobody asks its connection what it is as often as is promised, nor tells of it.

#[derive(Clone, Copy, PartialEq)]
enum Which {
    First,
    Second,
    /// The only one, in place of one that was dropped.
    BuiltAgain,
}

/// As `demoted::a_server_that_was_replaced_is_noticed_within_a_short_bound`: for how long after its primary was made a replica
/// a process is served what that has never heard of, by a cache that was built first or second.
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

/// As `demoted::what_a_replaced_server_has_proved_is_proven_no_longer`.
/// Also gives until when the guide lets it: a quarter of the bound behind the demotion, and a tenth of a second for this test.
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

/// A password is rotated as it is meant to be: both are good for a while, in which the process builds its next cache and drops
/// the one before; then the old one is removed, and a connection breaks, as each does some day.
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
    let served = least("there", async || within(&there, row(&table, 1)).await).await;
    assert_eq!(
        (is_acknowledged, served),
        (true, 1),
        "{:?} later",
        begun.elapsed()
    );
}

// 8. Held: crowds in one emission.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crowds_of_one_emission_are_heard_within_the_bound() {
    let server = Server::start();
    let (here, there) = (
        on(server.url(), ms(2_000)).await,
        on(server.other_url(), ms(2_000)).await,
    );
    let table = Table::default();
    for (version, count) in [(1, 4_000_u64), (2, 12_000), (3, 24_000), (4, 30_000)] {
        assert_eq!(within(&there, row(&table, 5)).await, version - 1);
        assert_eq!(within(&here, row(&table, 5)).await, version - 1);
        table.set(version);
        let begun = Instant::now();
        let events: Vec<_> = (0..count).map(|id| RowChanged { id }).collect();
        let emitted = here.emit(events).await;
        let took = begun.elapsed();
        assert_eq!(within(&here, row(&table, 5)).await, version, "{count}");
        let mut heard = None;
        while begun.elapsed() < ms(6_000) {
            if within(&there, row(&table, 5)).await == version {
                heard = Some(begun.elapsed());
                break;
            }
            sleep(ms(5)).await;
        }
        eprintln!(
            "{count}: {:?} in {took:?}, heard after {heard:?}",
            emitted.is_ok()
        );
        assert!(
            heard.is_some_and(|it| it < took + ms(2_000)),
            "{count}: {heard:?}"
        );
    }
}

// 9. An eviction that has not reached Redis, and another cache of the same process.

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

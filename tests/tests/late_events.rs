//! Values that say only when they are loaded which events make them void: their loads are shared, and they are kept,
//! while other events arrive.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Instant,
};

use cache_core::{Event, cached};
use tests::{
    proxy::Proxy,
    rows::{Noted, RowChanged, Table, alone, ms, on, within},
    server::Server,
    spawn_in, until,
};
use tokio::{sync::Notify, time::sleep};

#[derive(Event)]
#[event(used_elsewhere)]
struct OtherChanged {
    id: u64,
}

type Loads = Arc<AtomicU64>;

async fn read(table: &Table, loads: &Loads) -> u64 {
    loads.fetch_add(1, SeqCst);
    let value = table.value();
    sleep(ms(60)).await;
    value
}

#[cached(ttl = 1h, tiers = memory, skip(table, loads), invalidate_on = |row| RowChanged { id: row.0 })]
async fn naming(table: &Table, loads: &Loads, id: u64) -> (u64, u64) {
    (id, read(table, loads).await)
}

#[cached(ttl = 1h, tiers = memory, skip(table), invalidate_on = RowChanged { id })]
async fn known(table: &Table, id: u64) -> u64 {
    table.value()
}

#[cached(ttl = 1h, tiers = memory, skip(table, loads), inherits)]
async fn inheriting(table: &Table, loads: &Loads, id: u64) -> (u64, u64) {
    let value = known(table, id).await;
    read(table, loads).await;
    (id, value)
}

/// Loads within two seconds of a key that is called all the time, while something else changes as often.
async fn loads_beside_events<F: Future<Output = (u64, u64)> + Send + 'static>(
    call: impl Fn(Table, Loads) -> F,
) -> u64 {
    let (cache, table, loads) = (alone().await, Table::default(), Loads::default());
    let (begin, mut running) = (Instant::now(), Vec::new());
    while begin.elapsed() < ms(2_000) {
        cache.emit(OtherChanged { id: 1 }).await.unwrap();
        running.push(spawn_in(&cache, call(table.clone(), Arc::clone(&loads))));
        sleep(ms(20)).await;
    }
    for call in running {
        call.await.unwrap();
    }
    loads.load(SeqCst)
}

#[tokio::test]
async fn a_load_that_names_its_events_is_shared_while_others_are_emitted() {
    let loads = loads_beside_events(|table, loads| async move { naming(&table, &loads, 1).await });
    assert_eq!(loads.await, 1);
}

#[tokio::test]
async fn a_load_that_inherits_its_events_is_shared_while_others_are_emitted() {
    let loads =
        loads_beside_events(|table, loads| async move { inheriting(&table, &loads, 1).await });
    assert_eq!(loads.await, 1);
}

/// What three callers get: one before something changes that the value depends on, two behind it, while it is loaded.
async fn around_a_change<F: Future<Output = (u64, u64)> + Send + 'static>(
    call: impl Fn(Table, Loads) -> F,
) -> ([u64; 3], u64) {
    let (cache, table, loads) = (alone().await, Table::default(), Loads::default());
    let begin = || spawn_in(&cache, call(table.clone(), Arc::clone(&loads)));
    let first = begin();
    sleep(ms(20)).await;
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    let (second, third) = (begin(), begin());
    let seen = [
        first.await.unwrap().1,
        second.await.unwrap().1,
        third.await.unwrap().1,
    ];
    // It is kept, as that of the two is.
    assert_eq!(
        within(&cache, call(table.clone(), Arc::clone(&loads)))
            .await
            .1,
        1
    );
    (seen, loads.load(SeqCst))
}

#[tokio::test]
async fn who_calls_behind_an_event_that_a_value_turns_out_to_depend_on_gets_none_from_before() {
    let seen = around_a_change(|table, loads| async move { naming(&table, &loads, 1).await });
    assert_eq!(seen.await, ([0, 1, 1], 2), "the two behind it share a load");
    let seen = around_a_change(|table, loads| async move { inheriting(&table, &loads, 1).await });
    assert_eq!(seen.await, ([0, 1, 1], 2), "the two behind it share a load");
}

/// Reads, and then gives others a turn: no time passes that a coarse clock shows.
#[cached(ttl = 1h, tiers = memory, skip(table), invalidate_on = |row| RowChanged { id: row.id })]
async fn quick(table: Table, id: u64) -> Noted {
    let value = table.value();
    tokio::task::yield_now().await;
    Noted { id, value }
}

/// Nobody takes notes of what is invalidated before somebody asks.
#[tokio::test]
async fn the_first_value_that_names_its_events_is_not_kept_where_an_event_came_during_its_load() {
    for _ in 0..20 {
        let (cache, table) = (alone().await, Table::default());
        let begin = || spawn_in(&cache, quick(table.clone(), 1));
        let first = begin();
        tokio::task::yield_now().await;
        // It has read by now, and has not ended.
        table.set(1);
        cache.emit(RowChanged { id: 1 }).await.unwrap();
        let second = begin();
        assert_eq!(first.await.unwrap().value, 0, "it read before");
        assert_eq!(second.await.unwrap().value, 1);
        assert_eq!(within(&cache, quick(table, 1)).await.value, 1);
    }
}

/// Cannot be shared: a load that ends in it has every waiter load for itself.
#[derive(Debug)]
struct Unshared;

/// What loads of one key do, one after the other: the first fails, the second finds what there is.
#[derive(Clone, Default)]
struct Plan {
    begun: Arc<AtomicU64>,
    fails: Arc<Notify>,
    ends: Arc<Notify>,
}

#[cached(
    ttl = 1h,
    none_ttl = 1ms,
    tiers = memory,
    max_concurrent_loads = 2,
    skip(table, plan),
    invalidate_on = |row| RowChanged { id: row.id }
)]
async fn perhaps(table: Table, plan: Plan, id: u64) -> Result<Option<Noted>, Unshared> {
    if id != 1 {
        sleep(ms(3_000)).await;
        return Ok(None);
    }
    let begun = plan.begun.fetch_add(1, SeqCst);
    if begun == 0 {
        plan.fails.notified().await;
        return Err(Unshared);
    }
    let value = table.value();
    if begun == 1 {
        plan.ends.notified().await;
    }
    Ok((value > 0).then_some(Noted { id, value }))
}

#[tokio::test]
async fn who_waits_for_a_slot_behind_an_event_is_not_answered_by_an_older_load_that_found_nothing()
{
    let (cache, table, plan) = (alone().await, Table::default(), Plan::default());
    let begin = |id: u64| spawn_in(&cache, perhaps(table.clone(), plan.clone(), id));
    let _takes_a_slot = begin(9);
    let first = begin(1);
    sleep(ms(20)).await;
    let second = begin(1);
    sleep(ms(20)).await;
    plan.fails.notify_one();
    first.await.unwrap().unwrap_err();
    until("the second loads", || plan.begun.load(SeqCst) == 2).await;
    // The row is there now.
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    let third = begin(1);
    sleep(ms(100)).await;
    plan.ends.notify_one();
    assert!(second.await.unwrap().unwrap().is_none());
    let third = third.await.unwrap().unwrap();
    assert_eq!(third.map(|it| it.value), Some(1));
}

/// Connections that come and go are no events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_names_its_events_is_kept_behind_reconnections() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let here = on(proxy.url(), ms(2_000)).await;
    let (table, loads) = (Table::default(), Loads::default());
    let calls = async || {
        let before = loads.load(SeqCst);
        for _ in 0..5 {
            within(&here, naming(&table, &loads, 1)).await;
        }
        loads.load(SeqCst) - before
    };
    assert_eq!(calls().await, 1, "nobody emits");
    for _ in 0..5 {
        let gaps = here.stats().events.gaps;
        proxy.close_all();
        until("it is connected again", || here.stats().events.gaps > gaps).await;
    }
    sleep(ms(300)).await;
    here.emit(RowChanged { id: 1 }).await.unwrap();
    assert_eq!(calls().await, 1, "behind the event");
}

//! The sixth review: attacks.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::pedantic,
    missing_docs,
    dead_code,
    unused_imports,
    reason = "a test may fail"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, Event, Source, cached, invalidates};
use tests::{
    proxy::Proxy,
    rows::{Noted, RowChanged, Table, alone, explained, filled, ms, on, row, row_here, within, write, write_that_hangs},
    server::Server,
    spawn_in, until,
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
    time::{sleep, timeout},
};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Reads, and then gives others a turn: no time passes that a coarse clock shows.
#[cached(ttl = 1h, tiers = memory, skip(table), invalidate_on = |row| RowChanged { id: row.id })]
async fn quick(table: Table, id: u64) -> Noted {
    let value = table.value();
    tokio::task::yield_now().await;
    Noted { id, value }
}

/// `coherence.md`: a value that was loaded before an invalidation is not served after it. Here it is the first value of this
/// kind in its process, and all happens within one tick of the clock.
#[tokio::test(flavor = "current_thread")]
async fn the_first_value_that_names_its_events_is_not_kept_where_an_event_came_during_its_load() {
    let mut wrong = 0;
    for _ in 0..50 {
        let (cache, table) = (alone().await, Table::default());
        let first = {
            let table = table.clone();
            spawn_in(&cache, async move { quick(table, 1).await })
        };
        tokio::task::yield_now().await;
        // It has read by now, and has not ended.
        table.set(1);
        cache.emit(RowChanged { id: 1 }).await.unwrap();
        assert_eq!(first.await.unwrap().value, 0, "it read before");
        let then = within(&cache, quick(table.clone(), 1)).await;
        wrong += u64::from(then.value != 1);
    }
    assert_eq!(wrong, 0, "of 50 were served what was loaded before the event");
}

/// Reads, and ends when it is told.
#[cached(ttl = 1h, tiers = memory, skip(table, go_on), invalidate_on = |row| RowChanged { id: row.id })]
async fn told(table: Table, go_on: Arc<Notify>, id: u64) -> Noted {
    let value = table.value();
    go_on.notified().await;
    Noted { id, value }
}

/// The same on Redis.
#[tokio::test(flavor = "current_thread")]
async fn the_first_value_that_names_its_events_on_redis() {
    let server = Server::start();
    let mut wrong = 0;
    for round in 0..20 {
        // A URL of its own is a process of its own.
        let cache = on(server.url() + &"0".repeat(round), ms(2_000)).await;
        let table = Table::default();
        let go_on = Arc::new(Notify::new());
        let first = {
            let (table, go_on) = (table.clone(), Arc::clone(&go_on));
            spawn_in(&cache, async move { told(table, go_on, 1).await })
        };
        tokio::task::yield_now().await;
        table.set(1);
        cache.emit(RowChanged { id: 1 }).await.unwrap();
        go_on.notify_one();
        first.await.unwrap();
        go_on.notify_one();
        let then = within(&cache, told(table.clone(), go_on, 1)).await;
        wrong += u64::from(then.value != 1);
    }
    assert_eq!(wrong, 0, "of 20");
}

/// Who calls behind the event, and joins that load, is answered by it.
#[tokio::test(flavor = "current_thread")]
async fn who_joins_the_first_value_that_names_its_events_behind_an_event_is_not_given_what_was_before() {
    let (cache, table) = (alone().await, Table::default());
    let begin = || {
        let table = table.clone();
        spawn_in(&cache, async move { quick(table, 1).await })
    };
    let first = begin();
    tokio::task::yield_now().await;
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    let second = begin();
    first.await.unwrap();
    assert_eq!(second.await.unwrap().value, 1);
}

/// Leaves an event under way on a runtime that stands still from then on: it is there, and nobody drives it.
fn under_way_on_a_runtime_that_stands_still(emit: impl FnOnce(&Runtime, &Cache, &Proxy)) {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let table = Table::default();
    let (still, moving) = (runtime(), runtime());
    let here = still.block_on(on(proxy.url(), ms(2_000)));
    let there = moving.block_on(on(server.url(), ms(2_000)));
    moving.block_on(async {
        assert_eq!(within(&there, row(&table, 1)).await, 0);
        filled(&there, "row").await;
    });
    still.block_on(within(&here, row(&table, 7)));
    still.block_on(async { sleep(ms(200)).await });
    table.set(1);
    emit(&still, &here, &proxy);
    moving.block_on(async {
        let began = Instant::now();
        let mut seen = None;
        while began.elapsed() < ms(15_000) {
            // The process lives, and calls.
            within(&here, row(&table, 9)).await;
            if within(&there, row(&table, 1)).await == 1 {
                seen = Some(began.elapsed());
                break;
            }
            sleep(ms(50)).await;
        }
        assert!(
            seen.is_some(),
            "not sent within 15 s though its process lives and calls: {:?}",
            here.stats().events
        );
        println!("seen after {seen:?}");
    });
    drop(still);
}

/// `Cache::emit`: dropped after its first poll, it is on its way.
#[test]
fn an_event_that_was_begun_is_sent_though_its_runtime_stands_still() {
    under_way_on_a_runtime_that_stands_still(|still, here, _| {
        still.block_on(async {
            let mut emit = Box::pin(here.emit(RowChanged { id: 1 }));
            assert!(futures::poll!(emit.as_mut()).is_pending());
        });
    });
}

/// `Cache::emit`: it is sent until it arrives.
#[test]
fn an_event_that_could_not_be_acknowledged_is_sent_though_its_runtime_stands_still() {
    under_way_on_a_runtime_that_stands_still(|still, here, proxy| {
        proxy.black_hole_existing();
        let emitted = still.block_on(async { here.emit(RowChanged { id: 1 }).await });
        assert!(emitted.is_err());
    });
}

/// The guide: the event is emitted all the same, and once more after `unknown_outcome`. Another cache of the process is closed
/// meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_word_comes_when_it_is_due_though_another_cache_of_the_process_is_closed() {
    let server = Server::start();
    let table = Table::default();
    let (one, two) = (on(server.url(), ms(2_000)).await, on(server.url(), ms(2_000)).await);
    let there = on(server.url() + "0", ms(2_000)).await;
    drop(timeout(ms(50), within(&one, write_that_hangs(1))).await);
    sleep(ms(200)).await;
    // Nothing of its own is left in this one.
    let left = two.close(ms(2_000)).await;
    println!("{left:?}");
    sleep(ms(300)).await;
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    assert_eq!(within(&one, row(&table, 1)).await, 0);
    // The write of the caller that is gone is committed late, as it may be, and before `unknown_outcome`.
    sleep(ms(1_500)).await;
    table.set(1);
    sleep(ms(6_000)).await;
    let seen = (within(&there, row(&table, 1)).await, within(&one, row(&table, 1)).await);
    assert_eq!(seen, (1, 1));
}

/// Cannot be shared: a load that ends in it has every waiter load for itself.
#[derive(Debug)]
struct Unshared;

/// What loads of one key are to do, one after the other.
#[derive(Clone, Default)]
struct Plan(Arc<AtomicU64>, Arc<Notify>, Arc<Notify>);

#[cached(ttl = 1h, none_ttl = 1ms, tiers = memory, max_concurrent_loads = 2, skip(table, plan), invalidate_on = |row| RowChanged { id: row.id })]
async fn perhaps(table: Table, plan: Plan, id: u64) -> Result<Option<Noted>, Unshared> {
    if id == 9 {
        sleep(ms(3_000)).await;
        return Ok(None);
    }
    match plan.0.fetch_add(1, SeqCst) {
        0 => {
            plan.1.notified().await;
            Err(Unshared)
        }
        1 => {
            let value = table.value();
            plan.2.notified().await;
            Ok((value > 0).then_some(Noted { id, value }))
        }
        _ => {
            let value = table.value();
            Ok((value > 0).then_some(Noted { id, value }))
        }
    }
}

/// `coherence.md`, I4: a waiter's value is from a load that began after the newest invalidation applied before it arrived. Here
/// it waits for a slot.
#[tokio::test(flavor = "current_thread")]
async fn who_waits_for_a_slot_behind_an_event_is_not_answered_by_a_load_from_before_it_that_found_nothing() {
    let (cache, table, plan) = (alone().await, Table::default(), Plan::default());
    let begin = |id: u64| {
        let (table, plan) = (table.clone(), plan.clone());
        spawn_in(&cache, async move { perhaps(table, plan, id).await })
    };
    // Notes are taken.
    let _other = begin(9);
    let first = begin(1);
    sleep(ms(20)).await;
    let second = begin(1);
    sleep(ms(20)).await;
    plan.1.notify_one();
    assert!(first.await.unwrap().is_err());
    sleep(ms(50)).await;
    assert_eq!(plan.0.load(SeqCst), 2, "the second loads");
    // The row is there now.
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    let third = begin(1);
    sleep(ms(100)).await;
    plan.2.notify_one();
    assert!(second.await.unwrap().unwrap().is_none());
    let third = third.await.unwrap().unwrap();
    assert_eq!(third.map(|it| it.value), Some(1));
}

/// The same as above, for what the task in charge has taken by itself: another runtime emits while the first is still driven.
#[test]
fn an_event_that_the_task_in_charge_has_taken_is_sent_though_its_runtime_stands_still() {
    under_way_on_a_runtime_that_stands_still(|still, here, proxy| {
        proxy.black_hole_existing();
        let here = here.clone();
        let emitting = std::thread::spawn(move || {
            runtime().block_on(async { here.emit(RowChanged { id: 1 }).await })
        });
        still.block_on(async { sleep(ms(300)).await });
        assert!(emitting.join().unwrap().is_err());
    });
}

#[derive(Event)]
#[event(used_elsewhere)]
struct Renamed {
    id: u64,
}

#[cached(ttl = 1h, tiers = memory, strategy = stale_if_invalidated(1h), skip(table), invalidate_on = [RowChanged { id }, Renamed { id }])]
async fn lenient(table: Table, id: u64) -> u64 {
    table.value()
}

/// `strategies.md`: `stale_if_invalidated` serves what an event made void; "not where several events did".
#[tokio::test]
async fn what_several_events_of_different_kinds_made_void_is_not_served() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, lenient(table.clone(), 1)).await, 0);
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    table.set(2);
    cache.emit(Renamed { id: 1 }).await.unwrap();
    assert_eq!(within(&cache, lenient(table.clone(), 1)).await, 2);
}

/// `Hold`: dropped without a word, it counts as a change that happened. Two runtimes stand still: the one that built the cache,
/// and one on which an event was given up before.
#[test]
fn an_event_is_sent_though_the_runtime_that_looked_whether_others_are_stands_still_too() {
    let server = Server::start();
    let table = Table::default();
    let (still, also, moving) = (runtime(), runtime(), runtime());
    let here = still.block_on(on(server.url(), ms(2_000)));
    let there = moving.block_on(on(server.url() + "0", ms(2_000)));
    also.block_on(async {
        drop(timeout(ms(20), here.emit(RowChanged { id: 2 })).await);
    });
    moving.block_on(async {
        sleep(ms(4_000)).await;
        assert_eq!(within(&there, row(&table, 1)).await, 0);
        table.set(1);
        drop(here.hold(RowChanged { id: 1 }));
        sleep(ms(9_000)).await;
        let read = explained(&there, row(&table, 1)).await;
        assert_eq!(read.value, 1, "{read}, {:?}", here.stats().events);
    });
    drop((still, also));
}

/// `Cache::close`: lets what is on its way to Redis arrive, events first. The runtime that built the cache stands still.
#[test]
fn closing_on_another_runtime_sends_events_though_the_one_before_has_just_stopped() {
    let server = Server::start();
    let table = Table::default();
    let (still, moving) = (runtime(), runtime());
    let here = still.block_on(on(server.url(), ms(2_000)));
    let there = moving.block_on(on(server.url() + "0", ms(2_000)));
    moving.block_on(async { assert_eq!(within(&there, row(&table, 1)).await, 0) });
    table.set(1);
    still.block_on(async { drop(here.hold(RowChanged { id: 1 })) });
    let began = Instant::now();
    let left = moving.block_on(async { here.close(ms(12_000)).await });
    assert_eq!(left.events, 0, "after {:?}", began.elapsed());
    drop(still);
}

/// The same by the next call there.
#[test]
fn an_event_of_a_runtime_that_has_just_stopped_is_sent_while_its_process_calls() {
    under_way_on_a_runtime_that_stands_still(|still, here, _| {
        still.block_on(async { drop(here.hold(RowChanged { id: 1 })) });
    });
}

/// What becomes of it when the runtime is driven again, or dropped: it is sent then.
#[test]
fn an_event_that_was_begun_is_sent_when_its_runtime_is_driven_again_or_dropped() {
    for is_dropped in [false, true] {
        let server = Server::start();
        let table = Table::default();
        let (still, moving) = (runtime(), runtime());
        let here = still.block_on(on(server.url(), ms(2_000)));
        let there = moving.block_on(on(server.url() + "0", ms(2_000)));
        moving.block_on(async { assert_eq!(within(&there, row(&table, 1)).await, 0) });
        still.block_on(within(&here, row(&table, 7)));
        table.set(1);
        still.block_on(async {
            let mut emit = Box::pin(here.emit(RowChanged { id: 1 }));
            assert!(futures::poll!(emit.as_mut()).is_pending());
        });
        moving.block_on(async {
            for _ in 0..100 {
                within(&here, row(&table, 9)).await;
                sleep(ms(50)).await;
            }
            println!("{is_dropped}: before {:?}", here.stats().events);
        });
        if is_dropped {
            drop(still);
        } else {
            still.block_on(async { sleep(ms(500)).await });
        }
        moving.block_on(async {
            for id in 0..60 {
                within(&here, row(&table, 100 + id)).await;
                sleep(ms(50)).await;
            }
            println!("{is_dropped}: after {:?}", here.stats().events);
            assert_eq!(within(&there, row(&table, 1)).await, 1);
            assert_eq!(here.stats().events.pending, 0);
        });
    }
}

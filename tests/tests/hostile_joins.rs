//! Attacks on calls that join a load which does not know yet what its value depends on.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::pedantic,
    missing_docs,
    reason = "a test may fail"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_core::{CachedCall, Source, cached};
use tests::{
    rows::{Noted, RowChanged, Table, alone, explained, ms, within},
    spawn_in,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::{sleep, timeout},
};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct NotThere;

/// Keeps no errors.
#[cached(ttl = 1h, tiers = memory, skip(table), invalidate_on = |row| RowChanged { id: row.id })]
async fn find(table: &Table, id: u64) -> Result<Noted, NotThere> {
    let value = table.value();
    sleep(ms(200)).await;
    if value == 0 {
        return Err(NotThere);
    }
    Ok(Noted { id, value })
}

/// `coherence.md`: loads that were under way answer those who called before. An error that is kept is an exception; this one
/// is not kept.
#[tokio::test]
async fn who_calls_behind_an_event_is_not_answered_by_a_load_that_failed_before_it() {
    let (cache, table) = (alone().await, Table::default());
    let begin = || {
        let table = table.clone();
        spawn_in(&cache, async move { find(&table, 1).await })
    };
    let first = begin();
    sleep(ms(50)).await;
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    let second = begin();
    assert!(first.await.unwrap().is_err());
    assert_eq!(second.await.unwrap().map(|it| it.value), Ok(1));
}

#[cached(ttl = 1h, tiers = memory, skip(table), invalidate_on = |row| RowChanged { id: row.id })]
async fn slow(table: Table, id: u64) -> Noted {
    let value = table.value();
    sleep(ms(200)).await;
    Noted { id, value }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_prefetched_behind_an_event_is_there_for_the_next_call() {
    let (cache, table) = (alone().await, Table::default());
    // Notes are taken from here on.
    within(&cache, slow(table.clone(), 9)).await;
    let first = {
        let table = table.clone();
        spawn_in(&cache, async move { slow(table, 1).await })
    };
    sleep(ms(50)).await;
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    within(&cache, slow(table.clone(), 1).prefetch())
        .await
        .unwrap();
    assert_eq!(first.await.unwrap().value, 0);
    sleep(ms(600)).await;
    let read = explained(&cache, slow(table.clone(), 1)).await;
    assert_eq!(
        (read.value.value, read.source),
        (1, Source::Memory),
        "{read}"
    );
}

#[cached(ttl = 1h, tiers = memory, skip(table), invalidate_on = |row| RowChanged { id: row.id }, strategy = stale_if_invalidated(10s))]
async fn served_on(table: Table, id: u64) -> Noted {
    let value = table.value();
    sleep(ms(200)).await;
    Noted { id, value }
}

#[cached(ttl = 1h, tiers = memory, skip(table), invalidate_on = RowChanged { id }, strategy = stale_if_invalidated(10s))]
async fn served_on_known(table: Table, id: u64) -> Noted {
    let value = table.value();
    sleep(ms(200)).await;
    Noted { id, value }
}

macro_rules! served_on {
    ($function:ident) => {{
        let (cache, table) = (alone().await, Table::default());
        within(&cache, $function(table.clone(), 9)).await;
        within(&cache, $function(table.clone(), 1)).await;
        let first = {
            let table = table.clone();
            spawn_in(&cache, async move { $function(table, 1).refresh().await })
        };
        sleep(ms(50)).await;
        table.set(1);
        cache.emit(RowChanged { id: 1 }).await.unwrap();
        // Served as it is, and loaded anew in the background.
        within(&cache, $function(table.clone(), 1)).await;
        drop(first.await);
        let begin = Instant::now();
        while within(&cache, $function(table.clone(), 1)).await.value == 0 {
            assert!(begin.elapsed() < Duration::from_secs(20));
            sleep(ms(20)).await;
        }
        begin.elapsed()
    }};
}

/// `stale_if_invalidated`: what is void is served while its successor is loaded, which takes 200 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_event_made_void_has_a_successor_begun_at_once() {
    let known = served_on!(served_on_known);
    assert!(known < ms(1_000), "known: {known:?}");
    let late = served_on!(served_on);
    assert!(late < ms(1_000), "named by the value: {late:?}");
}

#[derive(cache_core::Event)]
#[event(used_elsewhere)]
struct OtherChanged {
    id: u64,
}

#[cached(ttl = 1h, tiers = memory, skip(table, loads), invalidate_on = |row| RowChanged { id: row.id })]
async fn hot(table: Table, loads: Arc<AtomicU64>, id: u64) -> Noted {
    loads.fetch_add(1, SeqCst);
    let value = table.value();
    sleep(ms(300)).await;
    Noted { id, value }
}

/// Loads of a key that 2,000 wait for when one event concerns it, while so many others arrive.
async fn loads_behind_one_event(pause: Duration) -> u64 {
    let (cache, table, loads) = (alone().await, Table::default(), Arc::new(AtomicU64::new(0)));
    within(&cache, hot(table.clone(), Arc::clone(&loads), 9)).await;
    loads.store(0, SeqCst);
    let begin = || {
        let (table, loads) = (table.clone(), Arc::clone(&loads));
        spawn_in(&cache, async move { hot(table, loads, 1).await })
    };
    let first = begin();
    sleep(ms(50)).await;
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    let waiting: Vec<_> = (0..2_000).map(|_| begin()).collect();
    let over = Arc::new(AtomicBool::new(false));
    let emitting = std::thread::spawn({
        let (cache, over) = (cache.clone(), Arc::clone(&over));
        move || {
            let short = runtime();
            while !over.load(SeqCst) {
                short.block_on(cache.emit(OtherChanged { id: 1 })).unwrap();
                std::thread::sleep(pause);
            }
        }
    });
    drop(first.await);
    for call in waiting {
        assert_eq!(call.await.unwrap().value, 1);
    }
    over.store(true, SeqCst);
    emitting.join().unwrap();
    loads.load(SeqCst)
}

/// Of those who wait behind one event, one loads: the others wait for it, whatever else is emitted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_an_event_one_loads_while_others_arrive() {
    let mut seen = Vec::new();
    for pause in [ms(20), ms(1), Duration::from_micros(100), Duration::ZERO] {
        seen.push((pause, loads_behind_one_event(pause).await));
    }
    assert!(seen.iter().all(|(_, loads)| *loads <= 2), "{seen:?}");
}

#[cached(ttl = 1h, tiers = memory, skip(table), batch(id in ids), invalidate_on = |row| RowChanged { id: row.id })]
async fn batched(table: &Table, ids: &[u64]) -> std::collections::HashMap<u64, Noted> {
    let value = table.value();
    sleep(ms(150)).await;
    ids.iter()
        .map(|id| (*id, Noted { id: *id, value }))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_behind_an_event_has_none_from_before_it() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, batched(&table, &[99])).await;
    for round in 0..20_u64 {
        let ids: Vec<u64> = (round * 10..round * 10 + 6).collect();
        let begin = |ids: Vec<u64>| {
            let table = table.clone();
            spawn_in(&cache, async move { batched(&table, &ids).await })
        };
        let first = begin(ids.clone());
        sleep(ms(30)).await;
        let value = table.change();
        cache
            .emit(vec![RowChanged { id: ids[0] }, RowChanged { id: ids[3] }])
            .await
            .unwrap();
        let second = begin(ids.clone());
        let third = begin(vec![ids[3], 5_000 + round, ids[0], ids[1]]);
        let (second, third) = (
            timeout(ms(3_000), second).await,
            timeout(ms(3_000), third).await,
        );
        let (second, third) = (second.unwrap().unwrap(), third.unwrap().unwrap());
        for id in [ids[0], ids[3]] {
            assert_eq!(
                (second[&id].value, third[&id].value),
                (value, value),
                "{round} {id}"
            );
        }
        drop(first.await);
    }
}

#[cached(ttl = 1h, tiers = memory, skip(table), keep_if = |row| row.value > 0, invalidate_on = |row| RowChanged { id: row.id })]
async fn kept_if(table: &Table, id: u64) -> Noted {
    let value = table.value();
    sleep(ms(200)).await;
    Noted { id, value }
}

/// The value names its event, and is not kept.
#[tokio::test]
async fn who_calls_behind_an_event_is_not_given_a_value_from_before_it_that_is_not_kept() {
    let (cache, table) = (alone().await, Table::default());
    let begin = || {
        let table = table.clone();
        spawn_in(&cache, async move { kept_if(&table, 1).await.value })
    };
    let first = begin();
    sleep(ms(50)).await;
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    let second = begin();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (0, 1));
}

/// A load of which a part failed before the event: what inherits is not made of that either.
#[cached(ttl = 1h, tiers = memory, skip(table), inherits)]
async fn is_there(table: &Table, id: u64) -> bool {
    let found = find(table, id).await.is_ok();
    sleep(ms(200)).await;
    found
}

#[tokio::test]
async fn who_calls_behind_an_event_is_not_given_what_was_made_of_a_failure_before_it() {
    let (cache, table) = (alone().await, Table::default());
    let begin = || {
        let table = table.clone();
        spawn_in(&cache, async move { is_there(&table, 1).await })
    };
    let first = begin();
    sleep(ms(50)).await;
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    let second = begin();
    assert!(!first.await.unwrap());
    assert!(second.await.unwrap());
}

static CHANCE: tests::Random = tests::Random::of_seed(5);

async fn unsteady(table: &Table) -> Option<u64> {
    match CHANCE.below(4) {
        0 => {}
        1 => tokio::task::yield_now().await,
        _ => sleep(ms(CHANCE.below(8) as u64)).await,
    }
    let value = table.value();
    if CHANCE.below(2) == 0 {
        sleep(ms(CHANCE.below(8) as u64)).await;
    }
    match CHANCE.below(10) {
        0 => None,
        _ => Some(value),
    }
}

/// Errors that waiters cannot share: they load for themselves.
#[derive(Debug)]
struct Own;

#[cached(ttl = 1h, tiers = memory, skip(table), max_concurrent_loads = 2, invalidate_on = |row| RowChanged { id: row.id })]
async fn own_error(table: &Table, id: u64) -> Result<Noted, Own> {
    let value = unsteady(table).await.ok_or(Own)?;
    Ok(Noted { id, value })
}

#[cached(ttl = 40ms, tiers = memory, skip(table), max_concurrent_loads = 3, soft_timeout = 3ms, strategy = [stale_while_revalidate(200ms), stale_if_error(1s)], invalidate_on = |row| RowChanged { id: row.id })]
async fn aged(table: Table, id: u64) -> Result<Noted, NotThere> {
    let value = unsteady(&table).await.ok_or(NotThere)?;
    Ok(Noted { id, value })
}

#[cached(ttl = 1h, tiers = memory, skip(table), inherits)]
async fn made(table: Table, id: u64) -> Result<u64, NotThere> {
    let one = own_error(&table, id).await.map_err(|_| NotThere)?.value;
    let two = aged(table.clone(), id).await?.value;
    Ok(one.min(two).min(unsteady(&table).await.ok_or(NotThere)?))
}

/// A load may be for keys of several callers: all have the same tables.
#[cached(ttl = 1h, tiers = memory, skip(tables), batch(id in ids), invalidate_on = |row| RowChanged { id: row.id })]
async fn in_batch(
    tables: &[Table],
    ids: &[u64],
) -> Result<std::collections::HashMap<u64, Noted>, NotThere> {
    let mut all = std::collections::HashMap::new();
    for id in ids {
        let value = tables[(id % 10) as usize].value();
        all.insert(*id, Noted { id: *id, value });
    }
    unsteady(&tables[0]).await.ok_or(NotThere)?;
    Ok(all)
}

#[test]
fn no_value_that_names_its_events_is_from_before_one_that_was_emitted_before_the_call() {
    let main = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let cache = main.block_on(alone());
    let tables: Arc<Vec<Table>> = Arc::new((0..3).map(|_| Table::default()).collect());
    let floors: Arc<Vec<AtomicU64>> = Arc::new((0..3).map(|_| AtomicU64::new(0)).collect());
    let (over, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    main.block_on(async {
        let mut running = Vec::new();
        for _ in 0..24 {
            let (tables, floors, over, calls) =
                (tables.clone(), floors.clone(), over.clone(), calls.clone());
            running.push(spawn_in(&cache, async move {
                while !over.load(SeqCst) {
                    let id = CHANCE.below(3) as u64;
                    let other = CHANCE.below(3) as u64;
                    let table = &tables[id as usize];
                    let floor = floors[id as usize].load(SeqCst);
                    let kind = CHANCE.below(6);
                    let call = async {
                        match kind {
                            0 | 1 => own_error(table, id).await.ok().map(|it| it.value),
                            2 => aged(table.clone(), id).await.ok().map(|it| it.value),
                            3 => made(table.clone(), id).await.ok(),
                            4 => {
                                _ = aged(table.clone(), id).prefetch().await;
                                made(table.clone(), id).await.ok()
                            }
                            _ => match in_batch(&tables, &[id, 10 + other, id + 20]).await {
                                Ok(all) => Some(all[&id].value),
                                Err(_) => None,
                            },
                        }
                    };
                    let limit = if CHANCE.below(4) == 0 {
                        ms(CHANCE.below(6) as u64)
                    } else {
                        ms(10_000)
                    };
                    match timeout(limit, call).await {
                        Ok(Some(value)) => {
                            assert!(value >= floor, "kind {kind}: {value} < {floor}")
                        }
                        Ok(None) => {}
                        Err(_) => assert!(limit < ms(10_000), "it hangs: {kind}"),
                    }
                    calls.fetch_add(1, SeqCst);
                }
            }));
        }
        for id in 0..3_u64 {
            let (tables, floors, over, cache) =
                (tables.clone(), floors.clone(), over.clone(), cache.clone());
            running.push(tokio::spawn(async move {
                while !over.load(SeqCst) {
                    let value = tables[id as usize].change();
                    cache.emit(RowChanged { id }).await.unwrap();
                    floors[id as usize].store(value, SeqCst);
                    if CHANCE.below(3) == 0 {
                        cache.emit(OtherChanged { id }).await.unwrap();
                    }
                    sleep(ms(CHANCE.below(12) as u64)).await;
                }
            }));
        }
        sleep(ms(5_000)).await;
        over.store(true, SeqCst);
        for task in running {
            timeout(ms(12_000), task).await.unwrap().unwrap();
        }
    });
}

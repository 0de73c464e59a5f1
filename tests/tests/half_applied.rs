//! An event of many rows is applied tag by tag. What begins to load in between is not kept: it may be of a row that has been
//! applied, and made of a value that has not.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cache_core::{Cache, CachedCall, cached};
use tests::{
    rows::{RowChanged, Table, alone, ms, on, within},
    server::Server,
    spawn_in,
};
use tokio::time::sleep;

const ROWS: u64 = 2_000;
const ASKED: u64 = 400;
/// Whether calls load anew.
static LOADS: AtomicBool = AtomicBool::new(false);

/// Made of all rows.
#[cached(ttl = 1h, inline, skip(table), tiers = memory, invalidate_on = RowChanged { .. })]
async fn all(table: &Table) -> u64 {
    table.value()
}

/// Of one row, and made of what is made of all. It lists the event that makes both void.
#[cached(ttl = 1h, inline, skip(table), tiers = memory, invalidate_on = RowChanged { id })]
async fn one(table: &Table, id: u64) -> u64 {
    all(table).await
}

/// The other way round.
#[cached(ttl = 1h, inline, skip(table), tiers = memory, invalidate_on = RowChanged { id })]
async fn row_here(table: &Table, id: u64) -> u64 {
    table.value()
}

#[cached(ttl = 1h, inline, skip(table), tiers = memory, invalidate_on = RowChanged { .. })]
async fn all_of(table: &Table, n: u64) -> u64 {
    row_here(table, ROWS - 1 - n).await
}

/// Something depends on each of the rows.
#[cached(ttl = 1h, tiers = memory, invalidate_on = RowChanged { id })]
async fn filler(id: u64) -> u64 {
    id
}

fn everything() -> Vec<RowChanged> {
    (0..ROWS).map(|id| RowChanged { id }).collect()
}

/// Emits in one cache while another thread reads in one, again and again; gives of how many rows that one serves what was
/// before when all has been told, and `waits` is over.
macro_rules! while_it_is_applied {
    ($emits:expr, $reads:expr, $warm:expr, $call:expr, $rounds:expr, $waits:expr) => {{
        let (emits, reads, table): (Cache, Cache, Table) = ($emits, $reads, Table::default());
        let runtime = tokio::runtime::Handle::current();
        let mut behind = Vec::new();
        for round in 1..=$rounds {
            within(&reads, async {
                for id in 0..ROWS {
                    filler(id).await;
                }
                for _ in 0..3 {
                    $warm(table.clone()).await;
                }
            })
            .await;
            let ends = Arc::new(AtomicBool::new(false));
            let reading = {
                let (reads, table, ends) = (reads.clone(), table.clone(), Arc::clone(&ends));
                let runtime = runtime.clone();
                std::thread::spawn(move || {
                    runtime.block_on(Cache::scope(reads, async move {
                        while !ends.load(SeqCst) {
                            for id in 0..ASKED {
                                $call(table.clone(), id).await;
                            }
                        }
                    }))
                })
            };
            LOADS.store(true, SeqCst);
            sleep(ms(5)).await;
            table.set(round);
            // Acknowledged or not, it has returned.
            let _ = emits.emit(everything()).await;
            if $waits > Duration::ZERO {
                tests::until("it is acknowledged", || emits.stats().events.pending == 0).await;
            }
            LOADS.store(false, SeqCst);
            sleep($waits).await;
            ends.store(true, SeqCst);
            tokio::task::block_in_place(|| reading.join().unwrap());
            let mut count = 0;
            for id in 0..ASKED {
                count += u64::from(within(&reads, $call(table.clone(), id)).await < round);
            }
            behind.push(count);
        }
        behind
    }};
}

async fn warm_all(table: Table) {
    all(&table).await;
}

async fn call_one(table: Table, id: u64) -> u64 {
    if LOADS.load(SeqCst) {
        one(&table, id).evict().await.unwrap();
    }
    one(&table, id).await
}

async fn warm_rows(table: Table) {
    for n in 0..ASKED {
        row_here(&table, ROWS - 1 - n).await;
    }
}

async fn call_all_of(table: Table, n: u64) -> u64 {
    if LOADS.load(SeqCst) {
        all_of(&table, n).evict().await.unwrap();
    }
    all_of(&table, n).await
}

/// Without Redis, in the process that emitted it, when it has returned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_made_of_all_of_them_is_not_behind_in_memory_alone() {
    let cache = alone().await;
    let behind = while_it_is_applied!(
        cache.clone(),
        cache,
        warm_all,
        call_one,
        10_u64,
        Duration::ZERO
    );
    assert_eq!(behind.iter().sum::<u64>(), 0, "{behind:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_of_one_of_them_is_not_behind_in_memory_alone() {
    let cache = alone().await;
    let behind = while_it_is_applied!(
        cache.clone(),
        cache,
        warm_rows,
        call_all_of,
        10_u64,
        Duration::ZERO
    );
    assert_eq!(behind.iter().sum::<u64>(), 0, "{behind:?}");
}

/// With Redis, in the process that emitted it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_made_of_all_of_them_is_not_behind_on_redis() {
    let server = Server::start();
    let cache = on(server.url(), ms(2_000)).await;
    let behind = while_it_is_applied!(
        cache.clone(),
        cache,
        warm_all,
        call_one,
        10_u64,
        Duration::ZERO
    );
    assert_eq!(behind.iter().sum::<u64>(), 0, "{behind:?}");
}

/// The same where its own message is not heard: its server has no room for one more connection (here: the line refuses it).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_where_redis_is_not_listened_to() {
    let server = Server::start();
    let proxy = tests::proxy::Proxy::to(&server);
    let cache = on(proxy.url(), ms(60_000)).await;
    proxy.refuse();
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    sleep(ms(100)).await;
    let behind = while_it_is_applied!(
        cache.clone(),
        cache,
        warm_all,
        call_one,
        10_u64,
        Duration::ZERO
    );
    assert_eq!(behind.iter().sum::<u64>(), 0, "{behind:?}");
}

#[cached(ttl = 1h, inline, skip(table), tiers = memory, invalidate_on = RowChanged { .. })]
async fn all_once(table: &Table, n: u64, round: u64) -> u64 {
    let _ = round;
    row_here(table, n).await
}

/// In another process, longer than the bound after it was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_of_one_of_them_is_not_behind_in_another_process() {
    let server = Server::start();
    let here = on(server.url(), ms(2_000)).await;
    let there = on(server.other_url(), ms(2_000)).await;
    let (table, runtime) = (Table::default(), tokio::runtime::Handle::current());
    let mut behind = Vec::new();
    // For 30 s after it has connected a process believes what it loads into memory alone for the bound only.
    sleep(ms(31_000)).await;
    for round in 1..=5 {
        within(&there, async {
            for id in 0..ROWS {
                row_here(&table, id).await;
            }
        })
        .await;
        let reading = {
            let (there, table, runtime) = (there.clone(), table.clone(), runtime.clone());
            std::thread::spawn(move || {
                runtime.block_on(Cache::scope(there, async move {
                    for n in 0..ROWS {
                        all_once(&table, n, round).await;
                        std::thread::sleep(Duration::from_micros(20));
                    }
                }));
            })
        };
        table.set(round);
        here.emit(everything()).await.unwrap();
        tokio::task::block_in_place(|| reading.join().unwrap());
        sleep(ms(2_500)).await;
        let mut count = 0;
        for n in 0..ROWS {
            count += u64::from(within(&there, all_once(&table, n, round)).await < round);
        }
        behind.push(count);
    }
    assert_eq!(behind.iter().sum::<u64>(), 0, "{behind:?}");
}

/// How few rows are enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_rows_are_enough_to_tell() {
    let (cache, table) = (alone().await, Table::default());
    let runtime = tokio::runtime::Handle::current();
    let mut behind = 0;
    for round in 1..=3_000 {
        within(&cache, async {
            for id in 0..20 {
                filler(id).await;
            }
            all(&table).await;
            all(&table).await;
        })
        .await;
        let ends = Arc::new(AtomicBool::new(false));
        let reading = {
            let (cache, table, ends) = (cache.clone(), table.clone(), Arc::clone(&ends));
            let runtime = runtime.clone();
            std::thread::spawn(move || {
                runtime.block_on(Cache::scope(cache, async move {
                    while !ends.load(SeqCst) {
                        for id in 0..20 {
                            one(&table, id).evict().await.unwrap();
                            one(&table, id).await;
                        }
                    }
                }));
            })
        };
        std::thread::sleep(Duration::from_micros(300));
        table.set(round);
        cache
            .emit((0..20).map(|id| RowChanged { id }).collect::<Vec<_>>())
            .await
            .unwrap();
        ends.store(true, SeqCst);
        tokio::task::block_in_place(|| reading.join().unwrap());
        let mut is_behind = false;
        for id in 0..20 {
            is_behind |= within(&cache, one(&table, id)).await < round;
        }
        behind += u64::from(is_behind);
    }
    assert_eq!(behind, 0, "of 3000 changes of twenty rows");
}

static BEGUN: AtomicU64 = AtomicU64::new(0);

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn slow_row(table: Table, id: u64) -> u64 {
    let value = table.value();
    BEGUN.fetch_add(1, SeqCst);
    sleep(ms(30)).await;
    value
}

/// What begins while one event is applied is not joined by who calls behind another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_calls_behind_another_event_meanwhile_is_not_served_what_was_before() {
    let (cache, table) = (alone().await, Table::default());
    let runtime = tokio::runtime::Handle::current();
    let importing = {
        let cache = cache.clone();
        std::thread::spawn(move || {
            let everything: Vec<_> = (1_000..500_000).map(|id| RowChanged { id }).collect();
            runtime.block_on(cache.emit(everything)).unwrap();
        })
    };
    for id in 0.. {
        let begun = BEGUN.load(SeqCst);
        let first = spawn_in(&cache, slow_row(table.clone(), id));
        while BEGUN.load(SeqCst) == begun {
            tokio::task::yield_now().await;
        }
        let now = table.change();
        cache.emit(RowChanged { id }).await.unwrap();
        assert_eq!(within(&cache, slow_row(table.clone(), id)).await, now);
        assert!(first.await.unwrap() < now);
        if importing.is_finished() && id > 30 {
            break;
        }
    }
}

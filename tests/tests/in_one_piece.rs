//! What a mutation emits reaches Redis in one piece however many tags wait with it, and its second word comes in time
//! however many wait behind it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_core::{Cache, Event, cached, invalidates};
use tests::{
    proxy::Proxy,
    rows::{Table, ms, on, within},
    server::Server,
    until,
};
use tokio::{runtime::Handle, time::sleep};

#[derive(Event)]
#[event(used_elsewhere)]
struct ItemChanged {
    id: u64,
}

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    id: u64,
}

#[cached(ttl = 1h, skip(table), invalidate_on = ItemChanged { id })]
async fn item(table: &Table, id: u64) -> u64 {
    table.value()
}

/// Whatever changes an item changes its order too, and says both.
#[cached(ttl = 1h, skip(table), invalidate_on = OrderChanged { id })]
async fn order(table: &Table, id: u64) -> u64 {
    item(table, id).await
}

const ORDERS: u64 = 3_000;
const BOUND: u64 = 500;

/// Many items, and the orders that they are of.
#[invalidates(
    (0..items).map(|id| ItemChanged { id }).collect::<Vec<_>>(),
    (0..ORDERS).map(|id| OrderChanged { id }).collect::<Vec<_>>()
)]
async fn import(table: &Table, items: u64, value: u64) {
    table.set(value);
}

/// Reads orders in a thread of its own, all the time, until it is ended.
fn read_on(cache: &Cache, table: &Table) -> impl FnOnce() + use<> {
    let ends = Arc::<AtomicBool>::default();
    let (cache, table, is_over) = (cache.clone(), table.clone(), Arc::clone(&ends));
    let runtime = Handle::current();
    let reading = std::thread::spawn(move || {
        runtime.block_on(Cache::scope(cache, async move {
            while !is_over.load(SeqCst) {
                for id in 0..ORDERS {
                    order(&table, id).await;
                }
            }
        }));
    });
    move || {
        ends.store(true, SeqCst);
        tokio::task::block_in_place(|| reading.join().unwrap());
    }
}

/// How many orders are behind the import in both processes, when the bound is over.
async fn behind_an_import(items: u64, is_sent_again: bool) -> [usize; 2] {
    let (server, table) = (Server::start(), Table::default());
    let proxy = Proxy::to(&server);
    let here = on(proxy.url(), ms(BOUND)).await;
    let there = on(server.other_url(), ms(BOUND)).await;
    let mut behind = [0; 2];
    for round in 1..=3 {
        within(&there, async {
            for id in 0..ORDERS {
                order(&table, id).await;
            }
        })
        .await;
        let end = read_on(&there, &table);
        sleep(ms(50)).await;
        if is_sent_again {
            proxy.refuse();
            proxy.close_all();
        }
        within(&here, import(&table, items, round)).await;
        if is_sent_again {
            sleep(ms(300)).await;
            proxy.pass();
        }
        until("it is acknowledged", || here.stats().events.pending == 0).await;
        sleep(ms(BOUND + 500)).await;
        end();
        for (cache, behind) in [&here, &there].into_iter().zip(&mut behind) {
            for id in 0..ORDERS {
                *behind += usize::from(within(cache, order(&table, id)).await < round);
            }
        }
    }
    behind
}

/// 25,001 items are more than 50,000 tags.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_of_so_many_items_that_they_become_one_event_is_told_in_one_piece() {
    assert_eq!(behind_an_import(25_001, false).await, [0, 0]);
}

/// 5,001 items are more than 10,000 tags.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_sent_again_is_told_in_one_piece() {
    assert_eq!(behind_an_import(5_001, true).await, [0, 0]);
}

#[derive(Event)]
#[event(used_elsewhere)]
struct AccountChanged {
    id: u64,
}

#[derive(Debug)]
struct Unknown;

/// The database did not answer in time: it may have written, or may write in a moment.
#[invalidates(AccountChanged { id })]
async fn pay(id: u64) -> Result<(), Unknown> {
    let _ = id;
    Err(Unknown)
}

#[invalidates((first..first + 5_001).map(|id| AccountChanged { id }).collect::<Vec<_>>())]
async fn pay_all(first: u64) -> Result<(), Unknown> {
    let _ = first;
    Err(Unknown)
}

#[cached(ttl = 1h, skip(table), invalidate_on = AccountChanged { id })]
async fn account(table: &Table, id: u64) -> u64 {
    table.value()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_word_comes_in_time_though_large_mutations_fail_again_and_again() {
    const MINE: u64 = 77_777_777;
    let (server, table) = (Server::start(), Table::default());
    let builder = Cache::builder().namespace("test").redis(server.url());
    let builder = builder.redis_budget(ms(500)).staleness_bound(ms(BOUND));
    let builder = builder.unknown_outcome(ms(2_000)).require_redis();
    let (here, there) = (
        builder.build().await.unwrap(),
        on(server.other_url(), ms(BOUND)).await,
    );
    let failing = tests::spawn_in(&here, async {
        for times in 0.. {
            pay_all(times * 10_000).await.unwrap_err();
            sleep(ms(1_200)).await;
        }
    });
    sleep(ms(600)).await;
    within(&here, pay(MINE)).await.unwrap_err();
    let returned = Instant::now();
    sleep(ms(100)).await;
    assert_eq!(within(&there, account(&table, MINE)).await, 0);
    sleep(ms(900)).await;
    // It is committed late.
    table.set(1);
    let due = returned + ms(2_000);
    let mut last = due;
    while returned.elapsed() < Duration::from_secs(10) {
        if within(&there, account(&table, MINE)).await == 0 {
            last = last.max(Instant::now());
        }
        sleep(ms(20)).await;
    }
    failing.abort();
    let behind = last - due;
    assert!(behind < ms(2_000), "for {behind:?} after it was due");
}

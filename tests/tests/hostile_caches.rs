//! Attacks on events by caches that come and go, on runtimes that end, or stand still.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::pedantic,
    missing_docs,
    reason = "a test may fail"
)]

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use cache_core::Cache;
use tests::{
    rows::{
        Denied, RowChanged, Table, explained, filled, ms, on, row, within, write, write_that_hangs,
    },
    server::Server,
    spawn_in, until,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::{sleep, timeout},
};

const BOUND: Duration = Duration::from_secs(2);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// `coherence.md`: it is sent until it arrives. Here a build that is refused takes events along, and its runtime ends.
#[test]
fn an_event_is_sent_though_a_cache_with_another_bound_could_not_be_built() {
    let server = Server::start();
    let table = Table::default();
    let main = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    // A URL of its own is a place of its own: another process.
    let there_url = server.other_url();
    main.block_on(async {
        let there = on(there_url, BOUND).await;
        let here = on(server.url(), BOUND).await;
        for id in 1..=2 {
            assert_eq!(within(&there, row(&table, id)).await, 0);
        }
        filled(&there, "row").await;
        within(&here, write(&table, 9)).await;
        // Connections stand, and nothing is written.
        server.command(&["CLIENT", "PAUSE", "20000", "WRITE"]);
        let value = table.change();
        assert!(here.emit(RowChanged { id: 1 }).await.is_err());
        assert!(here.emit(RowChanged { id: 2 }).await.is_err());
        assert_eq!(here.stats().events.pending, 2);
        drop(here);
        let url = server.url();
        let refused = std::thread::spawn(move || {
            let short = runtime();
            let built = short.block_on(async {
                let builder = Cache::builder().namespace("test").redis(url);
                builder.staleness_bound(BOUND * 2).build().await.map(drop)
            });
            drop(short);
            built
        });
        let refused = refused.join().unwrap();
        let error = refused.expect_err("if it was built, one more change was under way: try again");
        assert!(error.to_string().contains("on its way"), "{error}");
        server.command(&["CLIENT", "UNPAUSE"]);
        let again = on(server.url(), BOUND).await;
        until("all is sent, as far as this process knows", || {
            again.stats().events.pending == 0
        })
        .await;
        sleep(BOUND + ms(3_000)).await;
        for id in 1..=2 {
            let read = explained(&there, row(&table, id)).await;
            assert_eq!(
                read.value,
                value,
                "row {id}: {read}, {:?}",
                again.stats().events
            );
        }
    });
}

/// The same, and what the process that emitted it sees itself in its next cache.
#[test]
fn what_a_process_changed_is_not_served_by_its_next_cache_though_one_with_another_bound_was_refused()
 {
    let server = Server::start();
    let table = Table::default();
    let main = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    main.block_on(async {
        let here = on(server.url(), BOUND).await;
        for id in 1..=2 {
            assert_eq!(within(&here, row(&table, id)).await, 0);
        }
        until("both are written", || {
            here.stats()
                .function("row")
                .is_some_and(|it| it.redis_fills == 2)
        })
        .await;
        within(&here, write(&table, 9)).await;
        server.command(&["CLIENT", "PAUSE", "20000", "WRITE"]);
        let value = table.change();
        assert!(here.emit(RowChanged { id: 1 }).await.is_err());
        assert!(here.emit(RowChanged { id: 2 }).await.is_err());
        drop(here);
        let builder = Cache::builder().namespace("test").redis(server.url());
        let refused = builder.staleness_bound(BOUND * 2).build().await;
        let error = refused.expect_err("one change is under way");
        assert!(error.to_string().contains("on its way"), "{error}");
        let again = on(server.url(), BOUND).await;
        let read = explained(&again, row(&table, 2)).await;
        assert_eq!(read.value, value, "{read} {:?}", again.stats().events);
    });
}

/// `coherence.md`: emitted all the same, and once more after `unknown_outcome`.
#[tokio::test]
async fn the_second_word_comes_when_it_is_due_though_the_cache_is_built_anew_with_another_bound() {
    let server = Server::start();
    let (table, outcome) = (Table::default(), ms(3_000));
    let build = |bound| {
        let builder = Cache::builder().namespace("test").redis(server.url());
        builder
            .staleness_bound(bound)
            .unknown_outcome(outcome)
            .require_redis()
            .build()
    };
    let there = on(server.other_url(), BOUND).await;
    let here = build(BOUND).await.unwrap();
    // Its caller is gone half way, and it is committed later.
    drop(timeout(ms(100), within(&here, write_that_hangs(1))).await);
    until("it is said", || here.stats().events.acknowledged >= 1).await;
    drop(here);
    let here = build(BOUND * 2).await.unwrap();
    sleep(ms(500)).await;
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    table.set(1);
    sleep(outcome + BOUND).await;
    let read = explained(&there, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{read} {:?}", here.stats().events);
}

/// The control: with the same bound.
#[tokio::test]
async fn the_second_word_comes_when_it_is_due_though_the_cache_is_built_anew() {
    let server = Server::start();
    let (table, outcome) = (Table::default(), ms(3_000));
    let build = |bound| {
        let builder = Cache::builder().namespace("test").redis(server.url());
        builder
            .staleness_bound(bound)
            .unknown_outcome(outcome)
            .require_redis()
            .build()
    };
    let there = on(server.other_url(), BOUND).await;
    let here = build(BOUND).await.unwrap();
    drop(timeout(ms(100), within(&here, write_that_hangs(1))).await);
    until("it is said", || here.stats().events.acknowledged >= 1).await;
    drop(here);
    let here = build(BOUND).await.unwrap();
    sleep(ms(500)).await;
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    table.set(1);
    sleep(outcome + BOUND).await;
    let read = explained(&there, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{read} {:?}", here.stats().events);
}

#[tokio::test]
async fn caches_built_and_dropped_while_redis_is_away_leave_nothing_behind() {
    let server = Server::absent();
    let table = Table::default();
    let mut seen = Vec::new();
    for round in 0..13_u64 {
        let builder = Cache::builder().namespace("test").redis(server.url());
        // Refused at once, it waits for the second that it has.
        let building = builder
            .staleness_bound(BOUND + ms(round % 3))
            .redis_budget(ms(5))
            .build();
        let cache = building.await;
        if let Ok(cache) = &cache {
            for id in 0..20 {
                drop(timeout(ms(2), within(cache, write(&table, round * 100 + id))).await);
            }
        }
        drop(cache);
        if round % 10 == 9 {
            seen.push(Handle::current().metrics().num_alive_tasks());
        }
    }
    sleep(ms(2_500)).await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    assert!(tasks < 20, "{tasks} {seen:?}");
}

fn on_a_runtime_that_stands_still(given_up: impl AsyncFnOnce(&Cache, &Table)) {
    let server = Server::start();
    let table = Table::default();
    let still = runtime();
    let here = still.block_on(on(server.url(), BOUND));
    let moving = runtime();
    moving.block_on(async {
        let there = on(server.other_url(), BOUND).await;
        assert_eq!(within(&there, row(&table, 1)).await, 0);
        given_up(&here, &table).await;
        sleep(ms(9_000)).await;
        let read = explained(&there, row(&table, 1)).await;
        assert_eq!(read.value, 1, "{read}, {:?}", here.stats().events);
    });
}

/// `coherence.md`: dropped half way, the event is emitted all the same, and once more.
#[test]
fn the_event_of_a_caller_that_is_gone_is_sent_though_the_runtime_that_built_the_cache_stands_still()
{
    on_a_runtime_that_stands_still(async |here, table| {
        table.set(1);
        drop(timeout(ms(100), within(here, write_that_hangs(1))).await);
    });
}

/// `Cache::emit`: dropped after its first poll, it is on its way.
#[test]
fn an_event_that_nobody_waits_for_is_sent_though_the_runtime_that_built_the_cache_stands_still() {
    on_a_runtime_that_stands_still(async |here, table| {
        table.set(1);
        drop(timeout(ms(20), here.emit(RowChanged { id: 1 })).await);
    });
}

/// `Hold`: dropped without a word, it counts as a change that happened.
#[test]
fn a_hold_that_is_dropped_is_said_though_the_runtime_that_built_the_cache_stands_still() {
    on_a_runtime_that_stands_still(async |here, table| {
        table.set(1);
        drop(here.hold(RowChanged { id: 1 }));
    });
}

static CHANCE: tests::Random = tests::Random::of_seed(5);

/// A change under way when its runtime ends is sent by the next one, and nothing panics.
#[test]
fn an_event_that_is_under_way_when_its_runtime_ends_is_sent_by_the_next() {
    let server = Server::start();
    let table = Table::default();
    let main = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let there = main.block_on(on(server.other_url(), BOUND));
    let mut here = None;
    for round in 0..2_u64 {
        main.block_on(within(&there, row(&table, 1)));
        let short = runtime();
        let cache = short.block_on(async {
            let cache = match here.take() {
                Some(cache) => cache,
                None => on(server.url(), BOUND).await,
            };
            within(&cache, row(&table, 5 + round)).await;
            server.command(&["CLIENT", "PAUSE", "2500", "WRITE"]);
            table.change();
            let mut emit = Box::pin(cache.emit(RowChanged { id: 1 }));
            let is_under_way = futures::poll!(emit.as_mut()).is_pending();
            if is_under_way && round % 2 == 1 {
                drop(timeout(ms(60), &mut emit).await);
            }
            drop(emit);
            cache
        });
        drop(short);
        let next = runtime();
        next.block_on(async {
            assert_eq!(within(&cache, row(&table, 1)).await, table.value());
            sleep(ms(6_500)).await;
            assert_eq!(cache.stats().events.pending, 0, "{round}");
        });
        assert_eq!(main.block_on(within(&there, row(&table, 1))), table.value());
        here = Some(cache);
    }
}

/// Caches of one place that come and go on runtimes that end, while lines break: nothing hangs, and all is sent in the end.
#[test]
fn all_that_caches_emitted_which_came_and_went_is_sent_in_the_end() {
    tests::bounded(Duration::from_secs(90), || {
        let server = Server::start();
        let proxy = tests::proxy::Proxy::to(&server);
        let main = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let there = main.block_on(on(server.other_url(), BOUND));
        let tables: Vec<Table> = (0..8).map(|_| Table::default()).collect();
        main.block_on(async {
            for (id, table) in (0..).zip(&tables) {
                within(&there, row(table, id)).await;
            }
        });
        let (over, built, refused) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !over.load(SeqCst) {
                        let short = runtime();
                        short.block_on(async {
                            let builder = Cache::builder().namespace("test").redis(proxy.url());
                            let building =
                                builder.staleness_bound(BOUND).redis_budget(ms(30)).build();
                            let Ok(cache) = building.await else {
                                refused.fetch_add(1, SeqCst);
                                return;
                            };
                            built.fetch_add(1, SeqCst);
                            for _ in 0..CHANCE.below(4) {
                                let id = CHANCE.below(8) as u64;
                                let value = tables[id as usize].change();
                                match CHANCE.below(4) {
                                    0 => _ = cache.emit(RowChanged { id }).await,
                                    1 => {
                                        _ = futures::poll!(std::pin::pin!(
                                            cache.emit(RowChanged { id })
                                        ))
                                    }
                                    2 => drop(cache.hold(RowChanged { id })),
                                    _ => {
                                        _ = timeout(ms(4), within(&cache, write_that_hangs(id)))
                                            .await
                                    }
                                }
                                let seen = within(&cache, row(&tables[id as usize], id)).await;
                                assert!(seen >= value, "own: {seen} < {value}");
                            }
                        });
                    }
                });
            }
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    std::thread::sleep(ms(CHANCE.below(500) as u64));
                    match CHANCE.below(3) {
                        0 => proxy.close_all(),
                        1 => {
                            proxy.refuse();
                            proxy.close_all();
                            std::thread::sleep(ms(CHANCE.below(400) as u64));
                            proxy.pass();
                        }
                        _ => _ = server.command(&["CLIENT", "PAUSE", "150", "WRITE"]),
                    }
                }
            });
            std::thread::sleep(ms(6_000));
            over.store(true, SeqCst);
        });
        proxy.pass();
        main.block_on(async {
            let here = on(proxy.url(), BOUND).await;
            until("all is told", || here.stats().events.pending == 0).await;
            // The second words too.
            sleep(ms(8_000)).await;
            for (id, table) in (0..).zip(&tables) {
                let read = explained(&there, row(table, id)).await;
                assert_eq!(read.value, table.value(), "{id} {read}");
            }
        });
    });
}

#[cache_core::invalidates(RowChanged { id }, guarded)]
async fn write_long(table: &Table, id: u64) -> Result<(), Denied> {
    sleep(Duration::from_secs(34)).await;
    table.change();
    sleep(ms(500)).await;
    Ok(())
}

/// A guarded mutation renews its mark for as long as it runs, though the runtime that built the cache stands still since.
#[test]
fn a_mark_is_renewed_though_the_runtime_that_built_the_cache_stands_still() {
    let server = Server::start();
    let table = Table::default();
    let still = runtime();
    let here = still.block_on(on(server.url(), BOUND));
    let moving = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let writing = {
        let table = table.clone();
        let _entered = moving.enter();
        spawn_in(&here, async move { write_long(&table, 1).await.is_ok() })
    };
    // It is driven until the mutation has begun.
    still.block_on(async { sleep(ms(2_000)).await });
    assert!(!writing.is_finished(), "it is not refused");
    moving.block_on(async {
        let is_marked = || {
            server
                .command(&["GET", "test:t:RowChanged:1"])
                .starts_with('!')
        };
        assert!(is_marked());
        sleep(Duration::from_secs(30)).await;
        assert!(
            is_marked(),
            "{:?}",
            server.command(&["GET", "test:t:RowChanged:1"])
        );
        assert!(writing.await.unwrap());
    });
}

//! Runtimes that stand still: they are there, and nobody drives them. What was begun on one is ended on the next that
//! calls.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::HashMap,
    future::poll_fn,
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, cached};
use tests::{
    bounded,
    proxy::Proxy,
    rows::{RowChanged, Table, alone, explained, filled, ms, on, row, within},
    server::Server,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::{sleep, timeout},
};

const BOUND: Duration = ms(2_000);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Has an event be emitted on a runtime that stands still from then on; its process lives on another one.
fn is_sent_though_its_runtime_stands_still(emit: impl FnOnce(&Runtime, &Cache, &Proxy)) {
    let server = Server::start();
    let (proxy, table) = (Proxy::to(&server), Table::default());
    let (still, moving) = (runtime(), runtime());
    let here = still.block_on(on(proxy.url(), BOUND));
    let there = moving.block_on(on(server.url(), BOUND));
    moving.block_on(async {
        assert_eq!(within(&there, row(&table, 1)).await, 0);
        filled(&there, "row").await;
    });
    still.block_on(async {
        within(&here, row(&table, 7)).await;
        sleep(ms(200)).await;
    });
    table.set(1);
    emit(&still, &here, &proxy);
    moving.block_on(async {
        let began = Instant::now();
        while within(&there, row(&table, 1)).await != 1 {
            within(&here, row(&table, 9)).await;
            let unsent = here.stats().events;
            assert!(began.elapsed() < ms(15_000), "it is not sent: {unsent:?}");
            sleep(ms(50)).await;
        }
    });
    drop(still);
}

#[test]
fn an_event_that_was_begun_is_sent_though_its_runtime_stands_still() {
    is_sent_though_its_runtime_stands_still(|still, here, _| {
        still.block_on(async {
            let mut emit = Box::pin(here.emit(RowChanged { id: 1 }));
            assert!(futures::poll!(emit.as_mut()).is_pending());
        });
    });
}

#[test]
fn an_event_that_could_not_be_acknowledged_is_sent_though_its_runtime_stands_still() {
    is_sent_though_its_runtime_stands_still(|still, here, proxy| {
        proxy.black_hole_existing();
        let emitted = still.block_on(here.emit(RowChanged { id: 1 }));
        emitted.unwrap_err();
    });
}

/// It is not only what is begun where it is emitted: another runtime emits while the first is still driven.
#[test]
fn an_event_that_is_on_its_way_is_sent_though_the_runtime_that_carries_it_stands_still() {
    is_sent_though_its_runtime_stands_still(|still, here, proxy| {
        proxy.black_hole_existing();
        let here = here.clone();
        let emitting = thread::spawn(move || runtime().block_on(here.emit(RowChanged { id: 1 })));
        still.block_on(async { sleep(ms(300)).await });
        emitting.join().unwrap().unwrap_err();
    });
}

#[test]
fn an_event_of_a_runtime_that_has_just_stopped_is_sent_while_its_process_calls() {
    is_sent_though_its_runtime_stands_still(|still, here, _| {
        still.block_on(async { drop(here.hold(RowChanged { id: 1 })) });
    });
}

#[test]
fn an_event_is_sent_though_the_runtime_that_looked_whether_others_are_has_just_stopped_too() {
    let (server, table) = (Server::start(), Table::default());
    let (still, also, moving) = (runtime(), runtime(), runtime());
    let here = still.block_on(on(server.url(), BOUND));
    let there = moving.block_on(on(server.other_url(), BOUND));
    moving.block_on(async { assert_eq!(within(&there, row(&table, 1)).await, 0) });
    also.block_on(async { drop(timeout(ms(20), here.emit(RowChanged { id: 2 })).await) });
    moving.block_on(async {
        sleep(ms(500)).await;
        table.set(1);
        drop(here.hold(RowChanged { id: 1 }));
        sleep(ms(9_000)).await;
        let read = explained(&there, row(&table, 1)).await;
        assert_eq!(read.value, 1, "{read}, {:?}", here.stats().events);
    });
    drop((still, also));
}

#[test]
fn closing_a_cache_sends_events_though_the_runtime_that_carried_them_has_just_stopped() {
    let (server, table) = (Server::start(), Table::default());
    let (still, moving) = (runtime(), runtime());
    let here = still.block_on(on(server.url(), BOUND));
    let there = moving.block_on(on(server.other_url(), BOUND));
    moving.block_on(async { assert_eq!(within(&there, row(&table, 1)).await, 0) });
    table.set(1);
    still.block_on(async { drop(here.hold(RowChanged { id: 1 })) });
    let left = moving.block_on(here.close(ms(12_000)));
    assert_eq!(left.events, 0);
    drop(still);
}

#[test]
fn an_answer_that_comes_when_its_runtime_is_driven_again_or_dropped_is_no_second_one() {
    for is_dropped in [false, true] {
        let (server, table) = (Server::start(), Table::default());
        let (still, moving) = (runtime(), runtime());
        let here = still.block_on(on(server.url(), BOUND));
        let there = moving.block_on(on(server.other_url(), BOUND));
        moving.block_on(async { assert_eq!(within(&there, row(&table, 1)).await, 0) });
        still.block_on(within(&here, row(&table, 7)));
        table.set(1);
        still.block_on(async {
            let mut emit = Box::pin(here.emit(RowChanged { id: 1 }));
            assert!(futures::poll!(emit.as_mut()).is_pending());
        });
        let live = async |calls: u64| {
            for id in 0..calls {
                within(&here, row(&table, 100 + id)).await;
                sleep(ms(50)).await;
            }
        };
        moving.block_on(live(100));
        if is_dropped {
            drop(still);
        } else {
            still.block_on(async { sleep(ms(500)).await });
        }
        moving.block_on(async {
            live(20).await;
            assert_eq!(within(&there, row(&table, 1)).await, 1);
            assert_eq!(here.stats().events.pending, 0);
        });
    }
}

#[cached(ttl = 1h, skip(table))]
async fn thing(table: &Table, id: u64) -> u64 {
    table.value()
}

/// This one is not there any more.
#[test]
fn what_was_evicted_in_an_outage_does_not_come_back_though_its_runtime_ended() {
    let server = Server::start();
    let (proxy, table) = (Proxy::to(&server), Table::default());
    let short = runtime();
    let cache = short.block_on(async {
        let cache = on(proxy.url(), BOUND).await;
        within(&cache, thing(&table, 1)).await;
        filled(&cache, "thing").await;
        table.set(1);
        proxy.black_hole_existing();
        let evicted = thing(&table, 1).evict();
        within(&cache, evicted).await.unwrap();
        cache
    });
    drop(short);
    runtime().block_on(async {
        // The first finds no connection; it is there soon.
        within(&cache, thing(&table, 2)).await;
        sleep(ms(1_500)).await;
        let read = explained(&cache, thing(&table, 1)).await;
        assert_eq!(read.value, 1, "{read}");
    });
}

#[test]
fn what_was_evicted_is_gone_though_its_runtime_stands_still_and_others_write_all_the_time() {
    let (server, table) = (Server::start(), Table::default());
    let proxy = Proxy::to(&server);
    let (still, moving) = (runtime(), runtime());
    let here = moving.block_on(on(proxy.url(), BOUND));
    moving.block_on(async {
        within(&here, thing(&table, 1)).await;
        filled(&here, "thing").await;
    });
    table.set(1);
    still.block_on(async {
        proxy.black_hole_existing();
        drop(timeout(ms(50), within(&here, thing(&table, 1).evict())).await);
        proxy.close_all();
    });
    moving.block_on(async {
        let began = Instant::now();
        // Enough at once for a second task.
        for crowd in 1.. {
            let calls = (0..70).map(|id| within(&here, thing(&table, crowd * 100 + id)));
            futures::future::join_all(calls).await;
            if began.elapsed() > ms(12_000) {
                break;
            }
            sleep(ms(100)).await;
        }
        let there = on(server.other_url(), BOUND).await;
        let read = explained(&there, thing(&table, 1)).await;
        assert_eq!(read.value, 1, "{read}");
    });
    drop(still);
}

#[cached(ttl = 1h, tiers = memory, batch(id in ids))]
async fn several(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[test]
fn a_load_of_several_keys_on_a_runtime_that_stands_still_hangs_nobody() {
    bounded(Duration::from_secs(40), || {
        let (still, moving) = (runtime(), runtime());
        let cache = moving.block_on(alone());
        let call = |ids: &'static [u64]| Box::pin(Cache::scope(cache.clone(), several(ids)));
        let (mut here, mut there) = (call(&[1]), call(&[2]));
        moving.block_on(async { assert!(futures::poll!(here.as_mut()).is_pending()) });
        // As one of several branches it would be polled so often, and not again.
        still.block_on(poll_fn(|cx| {
            for _ in 0..3 {
                assert!(there.as_mut().poll(cx).is_pending());
            }
            Poll::Ready(())
        }));
        let ended = moving.block_on(async { timeout(ms(15_000), here).await });
        assert!(ended.is_ok(), "it hangs");
        drop((there, still));
    });
}

#[cached(ttl = 1h, skip(table), strategy = stale_if_invalidated(1500ms), invalidate_on = RowChanged { id })]
async fn lenient(table: &Table, id: u64) -> u64 {
    table.value()
}

#[test]
fn what_became_void_while_its_process_stood_still_does_not_count_from_when_that_heard_of_it() {
    let (server, table) = (Server::start(), Table::default());
    let bound = ms(1_000);
    let (still, moving) = (runtime(), runtime());
    let here = still.block_on(on(server.url(), bound));
    let there = moving.block_on(on(server.other_url(), bound));
    still.block_on(async {
        assert_eq!(within(&here, lenient(&table, 1)).await, 0);
        sleep(ms(500)).await;
    });
    let changed = Instant::now();
    table.set(1);
    moving.block_on(async {
        there.emit(RowChanged { id: 1 }).await.unwrap();
        sleep(ms(2_600).saturating_sub(changed.elapsed())).await;
    });
    still.block_on(async {
        sleep(ms(100)).await;
        let read = explained(&here, lenient(&table, 1)).await;
        let age = changed.elapsed();
        assert_eq!(read.value, 1, "{read}, void for {age:?} and not 2.5 s");
    });
}

//! Attacks on the way of events to Redis: runtimes that end or stand still, wakers that do what they like, crowds, budgets.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
    time::{Duration, Instant},
};

use cache_core::{Cache, Leftover, Source};
use tests::{
    proxy::Proxy,
    rows::{RowChanged, Table, explained, filled, ms, on, row, within, write, write_that_hangs},
    server::Server,
    until,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::{sleep, timeout},
};

const BOUND: Duration = Duration::from_secs(2);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn lost_with_its_runtime(ends: bool) -> u64 {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let table = Table::default();
    let first = runtime();
    first.block_on(async {
        let cache = on(proxy.url(), BOUND).await;
        assert_eq!(within(&cache, row(&table, 1)).await, 0);
        filled(&cache, "row").await;
        proxy.refuse();
        proxy.close_all();
        within(&cache, write(&table, 1)).await;
        assert_eq!(within(&cache, row(&table, 1)).await, 1);
        assert!(cache.stats().events.pending > 0);
    });
    proxy.pass();
    let second = if ends {
        drop(first);
        runtime()
    } else {
        first
    };
    second.block_on(async {
        let cache = on(proxy.url(), BOUND).await;
        let read = explained(&cache, row(&table, 1)).await;
        read.value
    })
}

/// `coherence.md`: the process that called `rename` does not see what was before, whether Redis could be reached or not.
#[test]
fn what_a_process_changed_is_not_served_by_its_next_cache_though_a_runtime_ended_between() {
    assert_eq!(lost_with_its_runtime(false), 1, "with the same runtime");
    assert_eq!(lost_with_its_runtime(true), 1, "with the next one");
}

/// `coherence.md`: an event is sent until it arrives.
#[test]
fn an_event_is_sent_though_the_runtime_that_built_the_cache_stands_still() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let table = Table::default();
    let still = runtime();
    let here = still.block_on(on(proxy.url(), BOUND));
    let moving = runtime();
    moving.block_on(async {
        let there = on(server.url(), BOUND).await;
        assert_eq!(within(&there, row(&table, 1)).await, 0);
        within(&here, write(&table, 1)).await;
        sleep(ms(8_000)).await;
        let read = explained(&there, row(&table, 1)).await;
        assert_eq!(read.value, 1, "{read}, {:?}", here.stats().events);
    });
}

/// `CacheBuilder::staleness_bound`: caches of one process have one bound. Here there is only one.
#[tokio::test]
async fn a_cache_may_have_another_bound_than_one_that_is_gone() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let table = Table::default();
    let first = on(proxy.url(), BOUND).await;
    proxy.refuse();
    proxy.close_all();
    within(&first, write(&table, 1)).await;
    assert!(first.stats().events.pending > 0);
    drop(first);
    proxy.pass();
    let builder = Cache::builder().namespace("test").redis(proxy.url());
    let second = builder.staleness_bound(BOUND * 2).build().await;
    assert!(second.is_ok(), "{}", second.unwrap_err());
}

/// Sixty thousand at once, while Redis is away and while it is there.
#[tokio::test]
async fn a_crowd_of_events_arrives_and_all_is_kept_again() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let (here, there) = (on(proxy.url(), BOUND).await, on(server.url(), BOUND).await);
    let table = Table::default();
    for (away, most) in [
        (true, 60_000_u64),
        (false, 60_000),
        (false, 45_000),
        (true, 45_000),
    ] {
        for id in 0..50 {
            within(&there, row(&table, id * 900)).await;
        }
        if away {
            proxy.refuse();
            proxy.close_all();
            sleep(ms(50)).await;
        }
        let heard = there.stats().events.heard;
        let value = table.change();
        let events: Vec<_> = (0..most).map(|id| RowChanged { id }).collect();
        assert_eq!(here.emit(events).await.is_err(), away);
        for id in 0..50 {
            assert_eq!(within(&here, row(&table, id * 900)).await, value, "own");
        }
        proxy.pass();
        until("it is told", || here.stats().events.pending == 0).await;
        until("it is heard of", || there.stats().events.heard > heard).await;
        for id in 0..50 {
            assert_eq!(
                within(&there, row(&table, id * 900)).await,
                value,
                "{away} {most}"
            );
        }
        sleep(ms(100)).await;
        assert_eq!(
            explained(&there, row(&table, 0)).await.source,
            Source::Memory
        );
        assert!(explained(&here, row(&table, 900)).await.source != Source::Load);
    }
}

/// `CacheBuilder::redis_budget`: how long a call may be held for Redis, in all.
#[tokio::test]
async fn a_mutation_is_held_no_longer_than_the_budget_of_its_own_cache() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let build = |budget| {
        let builder = Cache::builder().namespace("test").redis(proxy.url());
        builder.redis_budget(budget).require_redis().build()
    };
    let first = build(ms(2_000)).await.unwrap();
    let second = build(ms(50)).await.unwrap();
    let table = Table::default();
    within(&first, write(&table, 1)).await;
    within(&second, write(&table, 1)).await;
    proxy.black_hole();
    let begin = Instant::now();
    within(&second, write(&table, 1)).await;
    let took = begin.elapsed();
    assert!(took < ms(500), "{took:?}");
}

#[test]
fn what_was_not_sent_when_its_runtime_ended_is_sent_by_the_next_call() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let table = Table::default();
    let mut here = None;
    for round in 0..3 {
        let first = runtime();
        first.block_on(async {
            if here.is_none() {
                here = Some(on(proxy.url(), BOUND).await);
            }
            let here = here.as_ref().unwrap();
            within(here, row(&table, 7)).await;
            proxy.refuse();
            proxy.close_all();
            let emit = here.emit(RowChanged { id: 1 });
            table.change();
            // Polled once, and left with its runtime.
            if round == 1 {
                drop(futures::poll!(std::pin::pin!(emit)));
            } else {
                drop(emit.await);
            }
        });
        drop(first);
        proxy.pass();
        let second = runtime();
        second.block_on(async {
            let here = here.as_ref().unwrap();
            let there = on(server.url(), BOUND).await;
            within(&there, row(&table, 1)).await;
            assert_eq!(within(here, row(&table, 1)).await, table.value());
            until("it is sent", || here.stats().events.pending == 0).await;
            assert!(here.stats().events.acknowledged > round);
            assert_eq!(within(&there, row(&table, 1)).await, table.value());
        });
    }
}

/// A task of an executor that has no place for it any more: to wake it is to drop it.
struct Doomed(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl Wake for Doomed {
    fn wake(self: Arc<Self>) {
        let task = self.0.lock().unwrap().take();
        drop(task);
    }
}

/// `flight/member.rs`: a waker may drop a whole task, and is never called under a lock.
fn woken_and_dropped(with_a_hold: bool) {
    tests::bounded(ms(5_000), move || {
        let server = Server::start();
        let runtime = runtime();
        runtime.block_on(async {
            let cache = on(server.url(), BOUND).await;
            cache.emit(RowChanged { id: 3 }).await.unwrap();
            let own = cache.clone();
            let mut task: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
                let _pending = with_a_hold.then(|| own.hold(RowChanged { id: 2 }));
                let _ = own.emit(RowChanged { id: 1 }).await;
            });
            let doomed = Arc::new(Doomed(Mutex::new(None)));
            let waker = Waker::from(Arc::clone(&doomed));
            let mut cx = Context::from_waker(&waker);
            assert!(task.as_mut().poll(&mut cx).is_pending());
            *doomed.0.lock().unwrap() = Some(task);
            sleep(ms(50)).await;
            assert!(doomed.0.lock().unwrap().is_none(), "it was woken");
            cache.emit(RowChanged { id: 3 }).await.unwrap();
        });
    });
}

#[test]
fn whoever_waits_for_an_acknowledgement_may_be_dropped_by_it() {
    // What it holds emits nothing.
    woken_and_dropped(false);
    woken_and_dropped(true);
}

/// `EventStats::pending`: emissions that are not acknowledged yet, of which nothing is read from Redis.
#[tokio::test]
async fn what_is_acknowledged_and_will_be_said_once_more_is_not_pending() {
    let server = Server::start();
    let (cache, table) = (on(server.url(), BOUND).await, Table::default());
    let dropped = timeout(ms(20), within(&cache, write_that_hangs(1)));
    assert!(dropped.await.is_err());
    until("it is acknowledged", || {
        cache.stats().events.acknowledged == 1
    })
    .await;
    within(&cache, row(&table, 1)).await;
    filled(&cache, "row").await;
    cache.clear();
    assert_eq!(
        explained(&cache, row(&table, 1)).await.source,
        Source::Redis
    );
    assert_eq!(cache.stats().events.pending, 0);
}

/// The first time.
struct Panics(AtomicBool);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        assert!(self.0.swap(true, SeqCst), "a waker");
    }
}

/// `watchdog.rs`: a waker that panics takes nobody along.
#[tokio::test]
async fn a_waker_that_panics_takes_no_event_along() {
    let server = Server::start();
    let cache = on(server.url(), BOUND).await;
    cache.emit(RowChanged { id: 3 }).await.unwrap();
    let waker = Waker::from(Arc::new(Panics(false.into())));
    let mut cx = Context::from_waker(&waker);
    let mut first = Box::pin(cache.emit(RowChanged { id: 1 }));
    // Of the two behind it, which go together, the first panics.
    let mut second = Box::pin(cache.emit(RowChanged { id: 2 }));
    let third = cache.emit(RowChanged { id: 4 });
    assert!(
        first
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    assert!(second.as_mut().poll(&mut cx).is_pending());
    assert!(timeout(ms(1_000), third).await.unwrap().is_ok());
    std::mem::forget(second);
    cache.emit(RowChanged { id: 5 }).await.unwrap();
    let left = cache.close(ms(1_000)).await;
    assert_eq!(left.events, 0, "{:?}", cache.stats().events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_word_comes_when_it_is_due_though_another_cache_of_the_process_is_closed() {
    let (server, table) = (Server::start(), Table::default());
    let (one, two) = (on(server.url(), BOUND).await, on(server.url(), BOUND).await);
    let there = on(server.other_url(), BOUND).await;
    drop(timeout(ms(50), within(&one, write_that_hangs(1))).await);
    sleep(ms(200)).await;
    assert_eq!(
        two.close(ms(2_000)).await,
        Leftover::default(),
        "it is not its own"
    );
    sleep(ms(300)).await;
    for cache in [&one, &there] {
        assert_eq!(within(cache, row(&table, 1)).await, 0);
    }
    // The write of the caller that is gone is committed late, as it may be, and before `unknown_outcome`.
    sleep(ms(1_500)).await;
    table.set(1);
    sleep(ms(6_000)).await;
    for cache in [&one, &there] {
        assert_eq!(within(cache, row(&table, 1)).await, 1);
    }
}

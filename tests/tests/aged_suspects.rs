//! Values of functions with a strategy that may be void, as after an outage: they are asked about before they are served, or
//! stand in for a load that fails.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use cache_core::{
    CachedCall, Stale, cached,
    testing::{FakeRedis, Fault, Operation},
};
use tests::{
    process,
    proxy::Proxy,
    rows::{RowChanged, Table, hears, ms, on, row, within, write},
    server::Server,
    until,
};
use tokio::time::sleep;

/// When a value is stale, and long behind the outage that makes a suspect of it.
const STALE: Duration = ms(5_500);

#[derive(Clone, Default)]
struct Source {
    table: Table,
    fails: Arc<AtomicBool>,
}

#[derive(Clone, Debug, PartialEq)]
struct Failed;

impl Source {
    fn read(&self) -> Result<u64, Failed> {
        let fails = self.fails.load(SeqCst);
        (!fails).then(|| self.table.value()).ok_or(Failed)
    }
}

#[cached(
    ttl = 1s,
    skip(source),
    strategy = stale_if_error(1h, unproven),
    invalidate_on = RowChanged { id }
)]
async fn unproven(source: &Source, id: u64) -> Result<u64, Failed> {
    source.read()
}

#[cached(ttl = 1s, skip(source), strategy = stale_if_error(1h), invalidate_on = RowChanged { id })]
async fn proven(source: &Source, id: u64) -> Result<u64, Failed> {
    source.read()
}

#[cached(ttl = 1h, skip(source), strategy = stale_if_error(1h, unproven), invalidate_on = RowChanged { id })]
async fn lasting(source: &Source, id: u64) -> Result<u64, Failed> {
    source.read()
}

#[tokio::test]
async fn what_is_served_unproven_is_shown_and_counted() {
    let redis = FakeRedis::new();
    let (there, source) = (process(&redis).await, Source::default());
    within(&there, unproven(&source, 1)).await.unwrap();
    within(&there, lasting(&source, 1)).await.unwrap();
    redis.fail();
    redis.disconnect();
    sleep(STALE).await;
    source.fails.store(true, SeqCst);
    for number in 1..=2 {
        let aged = within(&there, unproven(&source, 1).explain()).await;
        let fresh = within(&there, lasting(&source, 1).explain()).await;
        for (explained, name) in [(aged, "unproven"), (fresh, "lasting")] {
            let explained = explained.unwrap();
            assert_eq!(
                (explained.value, explained.stale),
                (Ok(0), Some(Stale::Unproven)),
                "{name}"
            );
            let stats = there.stats();
            assert_eq!(stats.function(name).unwrap().unproven, number, "{name}");
        }
    }
}

#[tokio::test]
async fn what_redis_says_is_void_stands_in_for_nothing() {
    let redis = FakeRedis::new();
    let (here, there, source) = (
        process(&redis).await,
        process(&redis).await,
        Source::default(),
    );
    assert_eq!(within(&there, unproven(&source, 1)).await, Ok(0));
    redis.inject(Operation::Message, Fault::Fail);
    within(&here, write(&source.table, 1)).await;
    sleep(ms(50)).await;
    redis.recover();
    redis.disconnect();
    sleep(STALE).await;
    source.fails.store(true, SeqCst);
    assert_eq!(within(&there, unproven(&source, 1)).await, Err(Failed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_says_is_void_stands_in_for_nothing() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let (here, there) = (
        on(server.url(), ms(400)).await,
        on(proxy.url(), ms(400)).await,
    );
    let source = Source::default();
    assert_eq!(within(&there, unproven(&source, 1)).await, Ok(0));
    proxy.black_hole();
    within(&here, write(&source.table, 1)).await;
    sleep(ms(1_500)).await;
    proxy.pass();
    proxy.close_all();
    sleep(STALE).await;
    source.fails.store(true, SeqCst);
    assert_eq!(within(&there, unproven(&source, 1)).await, Err(Failed));
}

#[tokio::test]
async fn what_redis_says_is_valid_stands_in() {
    let redis = FakeRedis::new();
    let (there, source) = (process(&redis).await, Source::default());
    assert_eq!(within(&there, proven(&source, 1)).await, Ok(0));
    redis.disconnect();
    sleep(STALE).await;
    source.fails.store(true, SeqCst);
    assert_eq!(within(&there, proven(&source, 1)).await, Ok(0));
}

#[cached(ttl = 1h, skip(source), strategy = stale_if_error(1h), invalidate_on = RowChanged { id })]
async fn slow(source: &Source, id: u64) -> Result<u64, Failed> {
    let value = source.read();
    if source.table.value() > 0 {
        sleep(ms(1_000)).await;
    }
    value
}

/// Others have had no time to say what they changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_behind_an_outage_versions_prove_nothing() {
    for fails in [false, true] {
        let server = Server::start();
        let lines = [Proxy::to(&server), Proxy::to(&server)];
        let (here, there) = (
            on(lines[0].url(), ms(400)).await,
            on(lines[1].url(), ms(400)).await,
        );
        let source = Source::default();
        assert_eq!(within(&here, slow(&source, 1)).await, Ok(0));
        sleep(ms(200)).await;
        for line in &lines {
            line.refuse();
            line.close_all();
        }
        sleep(ms(1_500)).await;
        within(&there, write(&source.table, 1)).await;
        let gaps = here.stats().events.gaps;
        lines[0].pass();
        until("it is connected again", || here.stats().events.gaps > gaps).await;
        // It has connections to ask as well.
        while within(&here, row(&source.table, 99)).await != 1 {}
        sleep(ms(200)).await;
        source.fails.store(fails, SeqCst);
        let behind = async {
            sleep(ms(300)).await;
            within(&here, slow(&source, 1)).await
        };
        let answers = futures::join!(within(&here, slow(&source, 1)), behind);
        let expected = if fails { Err(Failed) } else { Ok(1) };
        assert_eq!(answers, (expected.clone(), expected));
    }
}

#[cached(ttl = 1h, skip(table), strategy = stale_if_invalidated(5s), invalidate_on = RowChanged { id })]
async fn lately(table: &Table, id: u64) -> u64 {
    table.value()
}

/// It is not known for how long it is void.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_event_that_was_missed_made_void_is_not_served_when_another_one_is_heard() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let (here, there) = (
        on(server.url(), ms(400)).await,
        on(proxy.url(), ms(400)).await,
    );
    let table = Table::default();
    assert_eq!(within(&there, lately(&table, 1)).await, 0);
    sleep(ms(200)).await;
    let gaps = there.stats().events.gaps;
    proxy.refuse();
    proxy.close_all();
    table.set(1);
    here.emit(RowChanged { id: 1 }).await.unwrap();
    sleep(STALE).await;
    proxy.pass();
    until("it hears again", || there.stats().events.gaps > gaps).await;
    sleep(ms(500)).await;
    table.set(2);
    hears(&there, here.emit(RowChanged { id: 1 }))
        .await
        .unwrap();
    assert_ne!(within(&there, lately(&table, 1)).await, 0);
}

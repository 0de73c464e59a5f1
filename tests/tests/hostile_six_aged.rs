//! The sixth review: values that are both past their `ttl` and suspects.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::pedantic,
    missing_docs,
    dead_code,
    reason = "a test may fail"
)]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use cache_core::{cached, testing::{FakeRedis, Fault, Operation}};
use tests::{
    process,
    rows::{RowChanged, Table, explained, ms, on, within, write},
    server::Server,
    proxy::Proxy,
};
use tokio::time::sleep;

#[derive(Clone, Default)]
struct Source {
    table: Table,
    fails: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
struct Failed;

#[cached(ttl = 1s, skip(source), strategy = stale_if_error(1h, unproven), invalidate_on = RowChanged { id })]
async fn unproven(source: &Source, id: u64) -> Result<u64, Failed> {
    if source.fails.load(SeqCst) { Err(Failed) } else { Ok(source.table.value()) }
}

#[cached(ttl = 1s, skip(source), strategy = stale_if_error(1h), invalidate_on = RowChanged { id })]
async fn proven(source: &Source, id: u64) -> Result<u64, Failed> {
    if source.fails.load(SeqCst) { Err(Failed) } else { Ok(source.table.value()) }
}

/// `strategies.md`: a stale value that is a suspect is asked about first, and served by `unproven` alone where asking fails too.
#[tokio::test]
async fn what_redis_says_is_void_stands_in_for_nothing_when_it_is_past_its_ttl_too() {
    let redis = FakeRedis::new();
    let (here, there, source) = (process(&redis).await, process(&redis).await, Source::default());
    assert_eq!(within(&there, unproven(&source, 1)).await.unwrap(), 0);
    redis.inject(Operation::Message, Fault::Fail);
    within(&here, write(&source.table, 1)).await;
    sleep(ms(50)).await;
    redis.recover();
    redis.disconnect();
    // It is stale by then.
    sleep(ms(5_500)).await;
    source.fails.store(true, SeqCst);
    // Redis is there, and would say that the row has changed.
    let read = within(&there, unproven(&source, 1)).await;
    assert!(read.is_err(), "{read:?}");
}

/// The same on a server, whose listening connection breaks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_says_is_void_stands_in_for_nothing_when_it_is_past_its_ttl_too() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let (here, there) = (on(server.url(), ms(400)).await, on(proxy.url(), ms(400)).await);
    let source = Source::default();
    assert_eq!(within(&there, unproven(&source, 1)).await.unwrap(), 0);
    proxy.black_hole();
    within(&here, write(&source.table, 1)).await;
    sleep(ms(1_500)).await;
    proxy.pass();
    proxy.close_all();
    sleep(ms(6_000)).await;
    source.fails.store(true, SeqCst);
    let read = explained(&there, unproven(&source, 1)).await;
    assert!(read.value.is_err(), "{read}");
}

/// `strategies.md`: a stale value that is a suspect is asked about first.
#[tokio::test]
async fn what_redis_says_is_valid_stands_in_when_it_is_past_its_ttl_too() {
    let redis = FakeRedis::new();
    let (there, source) = (process(&redis).await, Source::default());
    assert_eq!(within(&there, proven(&source, 1)).await.unwrap(), 0);
    redis.disconnect();
    sleep(ms(5_500)).await;
    source.fails.store(true, SeqCst);
    let read = within(&there, proven(&source, 1)).await;
    assert!(read.is_ok(), "{read:?}");
}

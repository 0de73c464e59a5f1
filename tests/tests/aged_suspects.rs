//! Values that are past their `ttl` and may be void too, as after an outage: they are asked about before they stand in for
//! a load that fails.
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
    cached,
    testing::{FakeRedis, Fault, Operation},
};
use tests::{
    process,
    proxy::Proxy,
    rows::{RowChanged, Table, ms, on, within, write},
    server::Server,
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

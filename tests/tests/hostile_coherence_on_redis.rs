//! Ways to be served what an event has made void, on real servers. Each test names what is promised, and fails where
//! that is not kept.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cache_core::{Cache, CachedCall, Event, Explained, cached, invalidates};
use tests::{proxy::Proxy, server::Server};
use tokio::time::sleep;

#[derive(Event)]
#[event(used_elsewhere)]
struct RowChanged {
    id: u64,
}

/// The source of truth.
#[derive(Clone, Default)]
struct Table(Arc<AtomicU64>);

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn row(table: &Table, id: u64) -> u64 {
    table.0.load(SeqCst)
}

#[invalidates(RowChanged { id })]
async fn write(table: &Table, id: u64) {
    table.0.fetch_add(1, SeqCst);
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { .. })]
async fn report(table: &Table) -> u64 {
    row(table, 1).await
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn page(table: &Table, id: u64) -> u64 {
    row(table, id).await
}

const BOUND: Duration = Duration::from_millis(400);

async fn cache(url: impl Into<String>, bound: Duration) -> Cache {
    let builder = Cache::builder().namespace("test").redis(url);
    builder
        .staleness_bound(bound)
        .require_redis()
        .build()
        .await
        .unwrap()
}

async fn within<C: CachedCall<Output: 'static>>(cache: &Cache, call: C) -> Explained<C::Output> {
    Cache::scope(cache.clone(), call.explain()).await.unwrap()
}

#[tokio::test]
async fn a_proof_of_one_server_says_nothing_of_another() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::to(&old);
    let there = cache(proxy.url(), BOUND).await;
    let here = cache(new.url(), BOUND).await;
    let table = Table::default();
    within(&there, row(&table, 2)).await;
    // The name leads to another server now. The old one is up, and loses all connections but those that listen.
    proxy.lead_to(&new);
    old.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    for id in 10.. {
        within(&there, row(&table, id)).await;
        if there.stats().events.lineages > 0 {
            break;
        }
        assert!(id < 200, "it has not found the new server");
        sleep(Duration::from_millis(20)).await;
    }
    let first = within(&there, row(&table, 1)).await;
    assert_eq!(first.value, 0);
    println!("{first}, events {:?}", there.stats().events);
    Cache::scope(here.clone(), write(&table, 1)).await;
    assert_eq!(here.stats().events.acknowledged, 1);
    sleep(Duration::from_secs(2)).await;
    let read = within(&there, row(&table, 1)).await;
    assert_eq!(read.value, 1, "2 s later, with a bound of 0.4 s: {read}");
}

/// No fault at all: two processes, one of which reads while the other writes.
async fn never_behind<F>(call: fn(Table) -> F)
where
    F: Future<Output = u64> + Send + 'static,
{
    let server = Server::start();
    let socket = format!("unix://{}", server.socket().display());
    let (here, there) = (cache(server.url(), BOUND).await, cache(socket, BOUND).await);
    let table = Table::default();
    let reader = {
        let (there, table) = (there.clone(), table.clone());
        tokio::spawn(Cache::scope(there, async move {
            loop {
                row(&table, 1).await;
                call(table.clone()).await;
                tokio::task::yield_now().await;
            }
        }))
    };
    for writes in 1..=8_000_u64 {
        Cache::scope(here.clone(), write(&table, 1)).await;
        sleep(Duration::from_millis(2)).await;
        if Cache::scope(here.clone(), call(table.clone())).await == writes {
            continue;
        }
        sleep(BOUND * 3).await;
        let read = Cache::scope(here.clone(), call(table.clone())).await;
        assert_eq!(
            read, writes,
            "1.2 s after write {writes}, in the process that wrote"
        );
    }
    reader.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_made_of_parts_is_not_behind_for_longer_than_the_bound() {
    never_behind(|table| async move { report(&table).await }).await;
}

/// The same where both depend on the same: for comparison.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_made_of_one_is_not_behind_for_longer_than_the_bound() {
    never_behind(|table| async move { page(&table, 1).await }).await;
}

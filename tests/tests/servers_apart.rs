//! What a process believes whose connections lead to different servers: its name leads to another one now, and the one
//! before is still there.
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

use cache_core::{Cache, CachedCall, Event, Explained, Redis, Source, cached, invalidates};
use tests::{proxy::Proxy, server::Server, until};
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

/// So large that it goes by a connection of its own.
#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn big(table: &Table, id: u64) -> String {
    format!("{} {}", table.0.load(SeqCst), "x".repeat(100_000))
}

#[invalidates(RowChanged { id })]
async fn write(table: &Table, id: u64) {
    table.0.fetch_add(1, SeqCst);
}

async fn on(url: impl Into<Redis>) -> Cache {
    let builder = Cache::builder()
        .namespace("test")
        .redis(url)
        .staleness_bound(ms(400));
    builder.require_redis().build().await.unwrap()
}

async fn within<F: Future>(cache: &Cache, call: F) -> F::Output {
    Cache::scope(cache.clone(), call).await
}

async fn explained<C: CachedCall<Output: 'static>>(cache: &Cache, call: C) -> Explained<C::Output> {
    within(cache, call.explain()).await.unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn number(text: &str) -> u64 {
    text.split(' ').next().unwrap().parse().unwrap()
}

/// The clients of a server: their numbers and names.
fn clients(server: &Server) -> Vec<(String, String)> {
    let list = server.command(&["CLIENT", "LIST"]);
    let field = |line: &str, name: &str| {
        let value = line.split(' ').find_map(|it| it.strip_prefix(name));
        value.unwrap_or_default().to_owned()
    };
    let lines = list.lines().filter(|line| line.contains("id="));
    lines
        .map(|line| (field(line, "id="), field(line, "name=")))
        .filter(|(_, name)| !name.is_empty())
        .collect()
}

async fn filled(cache: &Cache, name: &str) {
    let function = || cache.stats().function(name).map_or(0, |it| it.redis_fills);
    until("the entry is written", || function() > 0).await;
}

async fn until_moved(cache: &Cache, table: &Table) {
    for id in 10.. {
        within(cache, row(table, id)).await;
        if cache.stats().events.lineages > 0 {
            break;
        }
        assert!(id < 300, "it has not found the new server");
        sleep(ms(20)).await;
    }
}

#[tokio::test]
async fn a_large_value_is_read_from_the_server_that_is_listened_to() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::to(&old);
    let (there, here) = (on(proxy.url()).await, on(new.url()).await);
    let table = Table::default();
    within(&there, big(&table, 1)).await;
    filled(&there, "big").await;
    let is_bulk = |name: &str| name.contains("bulk");
    until("large values have a connection", || {
        clients(&old).iter().any(|(_, name)| is_bulk(name))
    })
    .await;
    there.clear();
    assert_eq!(
        explained(&there, big(&table, 1)).await.source,
        Source::Redis
    );
    // The name leads to another server now, and all connections move but the one for large values.
    proxy.lead_to(&new);
    for (id, name) in clients(&old) {
        if !is_bulk(&name) {
            old.command(&["CLIENT", "KILL", "ID", &id]);
        }
    }
    until_moved(&there, &table).await;
    sleep(ms(500)).await;
    let heard = there.stats().events.heard;
    within(&here, write(&table, 1)).await;
    until("it is heard", || there.stats().events.heard > heard).await;
    sleep(ms(1_000)).await;
    let read = explained(&there, big(&table, 1)).await;
    assert_eq!(number(&read.value), 1, "{:?}", read.source);
}

#[tokio::test]
async fn a_large_value_in_memory_is_asked_about_where_it_is_listened_to() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::to(&old);
    let (there, here) = (on(proxy.url()).await, on(new.url()).await);
    let table = Table::default();
    within(&there, big(&table, 1)).await;
    filled(&there, "big").await;
    let is_bulk = |name: &str| name.contains("bulk");
    until("large values have a connection", || {
        clients(&old).iter().any(|(_, name)| is_bulk(name))
    })
    .await;
    proxy.lead_to(&new);
    proxy.refuse();
    for (id, name) in clients(&old) {
        if !is_bulk(&name) {
            old.command(&["CLIENT", "KILL", "ID", &id]);
        }
    }
    sleep(ms(100)).await;
    // While it hears nothing.
    within(&here, write(&table, 1)).await;
    proxy.pass();
    until_moved(&there, &table).await;
    sleep(ms(5_000)).await;
    let read = explained(&there, big(&table, 1)).await;
    assert_eq!(number(&read.value), 1, "{:?}", read.source);
}

#[tokio::test]
async fn a_second_cache_reads_from_the_server_that_is_listened_to() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::to(&old);
    let first = on(proxy.url()).await;
    let of_first = clients(&old);
    let second = on(proxy.url()).await;
    let here = on(new.url()).await;
    let table = Table::default();
    within(&second, row(&table, 1)).await;
    filled(&second, "row").await;
    second.clear();
    assert_eq!(
        explained(&second, row(&table, 1)).await.source,
        Source::Redis
    );
    proxy.lead_to(&new);
    for (id, _) in of_first {
        old.command(&["CLIENT", "KILL", "ID", &id]);
    }
    until_moved(&first, &table).await;
    sleep(ms(500)).await;
    let heard = second.stats().events.heard;
    within(&here, write(&table, 1)).await;
    until("it is heard", || second.stats().events.heard > heard).await;
    sleep(ms(1_000)).await;
    let read = explained(&second, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}

#[tokio::test]
#[ignore = "it takes a minute"]
async fn a_second_cache_serves_nothing_older_than_what_its_process_changed_a_minute_ago() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::to(&old);
    let first = on(proxy.url()).await;
    let of_first = clients(&old);
    let second = on(proxy.url()).await;
    let table = Table::default();
    within(&second, row(&table, 1)).await;
    filled(&second, "row").await;
    proxy.lead_to(&new);
    for (id, _) in of_first {
        old.command(&["CLIENT", "KILL", "ID", &id]);
    }
    until_moved(&first, &table).await;
    sleep(ms(500)).await;
    within(&first, write(&table, 1)).await;
    assert_eq!(within(&second, row(&table, 1)).await, 1);
    sleep(Duration::from_secs(62)).await;
    second.clear();
    let read = explained(&second, row(&table, 1)).await;
    assert_eq!(read.value, 1, "its own mutation has returned: {read}");
}

#[tokio::test]
async fn a_connection_that_stayed_with_the_server_before_is_not_believed_and_is_made_anew() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::to(&old);
    let (there, here) = (on(proxy.url()).await, on(new.url()).await);
    let table = Table::default();
    within(&there, row(&table, 1)).await;
    filled(&there, "row").await;
    proxy.lead_to(&new);
    let listens = |name: &str| name.contains("channel");
    for (id, name) in clients(&old) {
        if listens(&name) {
            old.command(&["CLIENT", "KILL", "ID", &id]);
        }
    }
    until("both listen to the new one", || {
        clients(&new).iter().filter(|it| listens(&it.1)).count() == 2
    })
    .await;
    within(&here, write(&table, 1)).await;
    sleep(ms(600)).await;
    let read = explained(&there, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
    assert!(!clients(&old).is_empty(), "it has left by itself");
    until("all have moved", || clients(&old).is_empty()).await;
    within(&there, write(&table, 1)).await;
    until("the new one knows", || there.stats().events.pending == 0).await;
    until("it is heard", || here.stats().events.heard > 0).await;
    assert_eq!(explained(&here, row(&table, 1)).await.value, 2);
}

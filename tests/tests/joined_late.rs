//! Who joins a load is given what memory would give it, and no more: also where it looks late, or hears again by then, or where
//! another function lies in between.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::{sync::Arc, time::Instant};

use cache_core::{Cache, cached, invalidates};
use futures::FutureExt as _;
use tests::{
    proxy::Proxy,
    rows::{Denied, RowChanged, Table, ms, row, within, write},
    server::Server,
    spawn_in,
};
use tokio::{
    runtime::Builder,
    sync::Semaphore,
    time::{sleep, sleep_until},
};

async fn on(url: String) -> Cache {
    let built = Cache::builder()
        .namespace("test")
        .redis(url)
        .staleness_bound(ms(2_000));
    built.require_redis().build().await.unwrap()
}

async fn at(begin: Instant, millis: u64) {
    sleep_until((begin + ms(millis)).into()).await;
}

/// Lists all that it is made of, by the same tags.
#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = RowChanged { id })]
async fn listed(table: Table, id: u64) -> u64 {
    let value = row(&table, id).await;
    // There is more on it.
    sleep(ms(6_000)).await;
    value
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn inherited(table: Table, id: u64) -> u64 {
    let value = row(&table, id).await;
    sleep(ms(6_000)).await;
    value
}

macro_rules! cut_off {
    ($page:ident) => {{
        let (server, table) = (Server::start(), Table::default());
        let proxy = Proxy::to(&server);
        let (here, there) = (on(server.url()).await, on(proxy.url()).await);
        within(&there, row(&table, 1)).await;
        sleep(ms(1_000)).await;
        let begin = Instant::now();
        proxy.black_hole();
        within(&here, write(&table, 1)).await;
        assert_eq!(here.stats().events.pending, 0, "it is acknowledged");
        let acknowledged = begin.elapsed();
        at(begin, 800).await;
        let first = spawn_in(&there, $page(table.clone(), 1));
        at(begin, 2_200).await;
        let since = begin.elapsed().saturating_sub(acknowledged);
        let second = spawn_in(&there, $page(table.clone(), 1));
        at(begin, 2_600).await;
        proxy.pass();
        proxy.close_all();
        let second = second.await.unwrap();
        first.await.unwrap();
        assert!(since > ms(2_000));
        second
    }};
}

#[tokio::test]
async fn who_hears_again_while_it_waits_is_given_no_more_than_the_bound_allows() {
    assert_eq!(cut_off!(listed), 1);
}

#[tokio::test]
async fn who_hears_again_while_it_waits_for_what_inherits_is_given_no_more_than_the_bound_allows() {
    assert_eq!(cut_off!(inherited), 1);
}

/// As [`listed`], over sooner.
#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = RowChanged { id })]
async fn brief(table: Table, id: u64) -> u64 {
    let value = row(&table, id).await;
    sleep(ms(2_000)).await;
    value
}

/// Who joins is polled once, and then not before it hears again: as in a `buffer_unordered` whose consumer takes its time.
async fn looked_at_late() -> u64 {
    let (server, table) = (Server::start(), Table::default());
    let proxy = Proxy::to(&server);
    let (here, there) = (on(server.url()).await, on(proxy.url()).await);
    within(&there, row(&table, 1)).await;
    // What is loaded without asking is believed for longer from 30 s behind a connection on.
    sleep(ms(33_000)).await;
    let begin = Instant::now();
    proxy.black_hole();
    within(&here, write(&table, 1)).await;
    assert_eq!(here.stats().events.pending, 0, "it is acknowledged");
    let acknowledged = begin.elapsed();
    at(begin, 800).await;
    let first = spawn_in(&there, brief(table.clone(), 1));
    at(begin, 2_200).await;
    let since = begin.elapsed().saturating_sub(acknowledged);
    assert!(since > ms(2_000));
    let mut second = std::pin::pin!(within(&there, brief(table.clone(), 1)));
    assert_eq!((&mut second).now_or_never(), None);
    first.await.unwrap();
    proxy.pass();
    proxy.close_all();
    at(begin, 7_000).await;
    second.await
}

#[tokio::test]
async fn who_looks_late_and_hears_again_by_then_is_given_no_more_than_the_bound_allows() {
    assert_eq!(looked_at_late().await, 1);
}

struct Steps {
    begun: Semaphore,
    go: Semaphore,
    committed: Semaphore,
}

#[invalidates(RowChanged { id }, guarded)]
async fn write_and_die(table: Table, id: u64, steps: Arc<Steps>) -> Result<(), Denied> {
    steps.begun.add_permits(1);
    steps.go.acquire().await.unwrap().forget();
    table.change();
    steps.committed.add_permits(1);
    std::future::pending().await
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn inner(table: Table, id: u64) -> u64 {
    let value = table.value();
    sleep(ms(1_500)).await;
    value
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn middle(table: Table, id: u64) -> u64 {
    let value = inner(table, id).await;
    sleep(ms(2_000)).await;
    value
}

/// How much of the change that a guarded mutation has committed, whose process died in it, is seen 2.5 s after that.
async fn guarded_and_joined() -> u64 {
    let (server, table) = (Server::start(), Table::default());
    let there = on(server.other_url()).await;
    within(&there, row(&table, 1)).await;
    // What is loaded without versions is believed for longer from 30 s behind a connection on.
    sleep(ms(33_000)).await;
    let none = || Semaphore::new(0);
    let steps = Arc::new(Steps {
        begun: none(),
        go: none(),
        committed: none(),
    });
    let (url, source, dying) = (server.url(), table.clone(), Arc::clone(&steps));
    // It dies between its commit and its event: nobody drives it again, and nothing of it is dropped.
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cache = on(url).await;
            std::mem::forget(spawn_in(
                &cache,
                write_and_die(source, 1, Arc::clone(&dying)),
            ));
            dying.committed.acquire().await.unwrap().forget();
            std::mem::forget(cache);
        });
        std::mem::forget(runtime);
    });
    steps.begun.acquire().await.unwrap().forget();
    sleep(ms(200)).await;
    let first = spawn_in(&there, inner(table.clone(), 1));
    sleep(ms(50)).await;
    steps.go.add_permits(1);
    while table.value() == 0 {
        sleep(ms(1)).await;
    }
    let committed = Instant::now();
    at(committed, 1_200).await;
    // It joins the first, which is 1.25 s old.
    let second = spawn_in(&there, middle(table.clone(), 1));
    at(committed, 2_500).await;
    let third = within(&there, middle(table.clone(), 1)).await;
    drop((first, second));
    third
}

#[tokio::test]
async fn a_guarded_mutation_whose_process_died_is_seen_with_a_function_in_between() {
    assert_eq!(guarded_and_joined().await, 1);
}

//! Who joins a load is given what nobody would be served from memory at that moment: a load counts as old as its flight, and
//! what it was made of may be older.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "joined/late.rs"]
mod late;

use std::{sync::Arc, time::Instant};

use cache_core::{Cache, cached, invalidates};
use tests::{
    proxy::Proxy,
    rows::{Denied, RowChanged, Table, alone, ms, row, within, write},
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

// ---- Made of what was in memory -----------------------------------------------------------------------------------

/// Lists all that it is made of, by the same tags.
#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = RowChanged { id })]
async fn listed(table: Table, id: u64) -> u64 {
    let value = row(&table, id).await;
    // There is more on it.
    sleep(ms(2_500)).await;
    value
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn inherited(table: Table, id: u64) -> u64 {
    let value = row(&table, id).await;
    sleep(ms(2_500)).await;
    value
}

/// Waits for the other page, and takes as long.
#[cached(ttl = 1h, skip(table), inherits)]
async fn over_inherited(table: Table, id: u64) -> u64 {
    inherited(table, id).await
}

macro_rules! cut_off {
    ($page:ident, $first:literal, $second:literal) => {{
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
        at(begin, $first).await;
        let first = spawn_in(&there, $page(table.clone(), 1));
        at(begin, $second).await;
        let since = begin.elapsed().saturating_sub(acknowledged);
        let second = within(&there, $page(table.clone(), 1)).await;
        let first = first.await.unwrap();
        eprintln!("{first} {second}, {since:?} after it was acknowledged");
        assert!(since > ms(2_000));
        second
    }};
}

/// Control: without a flight to join.
#[tokio::test]
async fn control_a_row_is_not_behind_for_longer_than_the_bound() {
    assert_eq!(cut_off!(row_of, 800, 2_200), 1);
}

async fn row_of(table: Table, id: u64) -> u64 {
    row(&table, id).await
}

#[tokio::test]
async fn who_is_cut_off_and_joins_a_load_is_not_behind_for_longer_than_the_bound() {
    assert_eq!(cut_off!(listed, 800, 2_200), 1);
}

#[tokio::test]
async fn nor_where_that_inherits() {
    assert_eq!(cut_off!(inherited, 800, 2_200), 1);
}

/// The URL of a user who may not subscribe.
fn without_channels(server: &Server) -> String {
    server.command(&[
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">a",
        "~*",
        "resetchannels",
        "+@all",
    ]);
    server.url().replace("redis://", "redis://app:a@")
}

/// Nobody hears anybody: `guide::servers`, "one that refuses the channel .. processes do not hear each other then, and ask
/// instead". Nothing fails.
async fn without_the_channel(is_joined: bool) -> u64 {
    let (server, table) = (Server::start(), Table::default());
    let url = without_channels(&server);
    let (here, there) = (on(server.url()).await, on(url).await);
    within(&there, row(&table, 1)).await;
    let begin = Instant::now();
    within(&here, write(&table, 1)).await;
    let acknowledged = begin.elapsed();
    assert_eq!(here.stats().events.pending, 0, "it is acknowledged");
    at(begin, 1_250).await;
    let first = is_joined.then(|| spawn_in(&there, inherited(table.clone(), 1)));
    at(begin, 2_600).await;
    let since = begin.elapsed().saturating_sub(acknowledged);
    let second = within(&there, inherited(table.clone(), 1)).await;
    eprintln!("{second}, {since:?} after it was acknowledged");
    drop(first);
    second
}

#[tokio::test]
async fn control_who_may_not_listen_and_joins_nobody() {
    assert_eq!(without_the_channel(false).await, 1);
}

#[tokio::test]
async fn who_may_not_listen_and_joins_a_load_is_not_behind_for_longer_than_the_bound() {
    assert_eq!(without_the_channel(true).await, 1);
}

/// Each function in between adds three quarters of the bound.
#[tokio::test]
async fn nor_for_longer_with_each_function_in_between() {
    let (server, table) = (Server::start(), Table::default());
    let url = without_channels(&server);
    let (here, there) = (on(server.url()).await, on(url).await);
    within(&there, row(&table, 1)).await;
    let begin = Instant::now();
    within(&here, write(&table, 1)).await;
    at(begin, 1_300).await;
    let _first = spawn_in(&there, inherited(table.clone(), 1));
    at(begin, 2_600).await;
    let _second = spawn_in(&there, over_inherited(table.clone(), 1));
    at(begin, 3_700).await;
    let third = within(&there, over_inherited(table.clone(), 1)).await;
    assert_eq!(third, 1, "3.7 s after it was acknowledged");
}

// ---- What has not settled ------------------------------------------------------------------------------------------

/// The replica lags by less than 300 ms.
#[cached(ttl = 1h, skip(replica), settle = 400ms, invalidate_on = RowChanged { id })]
async fn lagging(replica: Table, id: u64) -> u64 {
    let value = replica.value();
    sleep(ms(2_000)).await;
    value
}

async fn settled(is_joined: bool) -> u64 {
    let (cache, replica) = (alone().await, Table::default());
    within(&cache, lagging(replica.clone(), 2)).await;
    // Committed at the primary.
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    let begin = Instant::now();
    at(begin, 100).await;
    let first = is_joined.then(|| spawn_in(&cache, lagging(replica.clone(), 1)));
    at(begin, 300).await;
    replica.set(1);
    at(begin, 1_900).await;
    let second = within(&cache, lagging(replica.clone(), 1)).await;
    drop(first);
    second
}

#[tokio::test]
async fn control_what_has_settled_and_joins_nobody() {
    assert_eq!(settled(false).await, 1);
}

/// In the process that emitted it, 1.5 s after the source had settled.
#[tokio::test]
async fn who_calls_when_the_source_has_settled_does_not_join_a_load_from_before_that() {
    assert_eq!(settled(true).await, 1);
}

// ---- Under a mark ---------------------------------------------------------------------------------------------------

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
async fn slow(table: Table, id: u64) -> u64 {
    let value = table.value();
    sleep(ms(6_000)).await;
    value
}

/// A process that dies between its commit and its event: nobody drives it again, and nothing of it is dropped. It has begun
/// by then, and commits when it is told to.
async fn doomed(url: String, source: Table) -> Arc<Steps> {
    let none = || Semaphore::new(0);
    let steps = Arc::new(Steps {
        begun: none(),
        go: none(),
        committed: none(),
    });
    let dying = Arc::clone(&steps);
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
    steps
}

impl Steps {
    async fn commit(&self, table: &Table) {
        self.go.add_permits(1);
        while table.value() == 0 {
            sleep(ms(1)).await;
        }
    }
}

async fn guarded(is_joined: bool) -> u64 {
    let (server, table) = (Server::start(), Table::default());
    let there = on(server.other_url()).await;
    within(&there, row(&table, 1)).await;
    let steps = doomed(server.url(), table.clone()).await;
    let first = is_joined.then(|| spawn_in(&there, slow(table.clone(), 1)));
    sleep(ms(200)).await;
    steps.commit(&table).await;
    sleep(ms(4_000)).await;
    let second = within(&there, slow(table.clone(), 1)).await;
    drop(first);
    second
}

#[tokio::test]
async fn control_a_guarded_mutation_whose_process_died_is_seen() {
    assert_eq!(guarded(false).await, 1);
}

/// Four seconds after the commit.
#[tokio::test]
async fn a_guarded_mutation_whose_process_died_is_seen_by_who_joins_a_load_from_before_it() {
    assert_eq!(guarded(true).await, 1);
}

//! What guarded mutations, and events that Redis refuses, leave behind for others on a real server, and hold up there.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cache_core::{Cache, Redis, Source, invalidates};
use tests::{
    log::Said,
    proxy::Proxy,
    rows::{Denied, RowChanged, Table, explained, ms, row, row_here, within, write},
    server::Server,
    spawn_in, until,
};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use tracing::Level;
use tracing_subscriber::{layer::SubscriberExt, registry};

const BOUND: Duration = Duration::from_secs(2);

#[invalidates(RowChanged { id }, guarded)]
async fn write_guarded(table: &Table, id: u64) -> Result<(), Denied> {
    table.change();
    Ok(())
}

/// How far mutations are that wait to be let go on.
struct Steps {
    begun: Semaphore,
    go: Semaphore,
}

impl Steps {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: Semaphore::new(0),
            go: Semaphore::new(0),
        })
    }
}

#[invalidates(RowChanged { id }, guarded)]
async fn write_slowly(table: Table, id: u64, steps: Arc<Steps>) -> Result<(), Denied> {
    steps.begun.add_permits(1);
    steps.go.acquire().await.unwrap().forget();
    table.change();
    Ok(())
}

async fn on(url: impl Into<Redis>) -> Cache {
    let builder = Cache::builder().namespace("test").redis(url);
    let builder = builder.staleness_bound(BOUND).require_redis();
    builder.build().await.unwrap()
}

/// Of a user who may do all but what `channels` says, and not more.
fn url_of_user(server: &Server, channels: &str) -> String {
    let rules = ["ACL", "SETUSER", "u", "on", ">p", "~test:*", "+@all"];
    assert_eq!(server.command(&[&rules[..], &[channels]].concat()), "OK");
    format!("redis://u:p@127.0.0.1:{}/", server.port())
}

/// Where rows come from that have just been called for.
async fn sources(cache: &Cache, table: &Table) -> [Source; 2] {
    within(cache, row_here(table, 1)).await;
    within(cache, row(table, 1)).await;
    [
        explained(cache, row_here(table, 1)).await.source,
        explained(cache, row(table, 1)).await.source,
    ]
}

/// How long after an event another process sees what it is of.
async fn until_seen(here: &Cache, there: &Cache, table: &Table) -> Duration {
    within(there, row(table, 1)).await;
    let value = table.change();
    let begin = Instant::now();
    // Not acknowledged within the budget, it may arrive all the same.
    let _ = here.emit(RowChanged { id: 1 }).await;
    while within(there, row(table, 1)).await != value {
        assert!(begin.elapsed() < ms(20_000), "it is not seen");
        sleep(ms(5)).await;
    }
    begin.elapsed()
}

/// A line to the next region, within the budget, to a server that knows the scripts.
async fn far_away(server: &Server) -> (Proxy, Cache) {
    let proxy = Proxy::to(server);
    let cache = on(proxy.url()).await;
    within(&cache, write_guarded(&Table::default(), 2))
        .await
        .unwrap();
    proxy.delay(ms(20));
    (proxy, cache)
}

#[tokio::test]
async fn an_event_does_not_wait_behind_the_ends_of_guarded_mutations() {
    let server = Server::start();
    let (_proxy, here) = far_away(&server).await;
    let (there, table) = (on(server.url()).await, Table::default());
    let all = (100..250).map(|id| {
        let (cache, table) = (here.clone(), table.clone());
        async move { within(&cache, write_guarded(&table, id)).await }
    });
    let ended = futures::future::join_all(all).await;
    let refused = ended.iter().filter(|it| it.is_err()).count();
    let took = until_seen(&here, &there, &table).await;
    assert!(took < BOUND, "{took:?}, {refused} of 150 refused");
}

#[tokio::test]
async fn an_event_does_not_wait_while_marks_are_renewed() {
    let server = Server::start();
    let (_proxy, here) = far_away(&server).await;
    let (there, table) = (on(server.url()).await, Table::default());
    let steps = Steps::new();
    let mut ids = 100..;
    // Some are refused where all come at once.
    while steps.begun.available_permits() < 100 {
        for id in ids.by_ref().take(100) {
            let mutation = write_slowly(table.clone(), id, Arc::clone(&steps));
            drop(spawn_in(&here, mutation));
        }
        sleep(ms(200)).await;
    }
    let begin = Instant::now();
    let mut longest = Duration::ZERO;
    // Marks are renewed every ten seconds.
    while begin.elapsed() < ms(14_000) {
        longest = longest.max(until_seen(&here, &there, &table).await);
        sleep(ms(50)).await;
    }
    steps.go.add_permits(1_000);
    assert!(longest < BOUND, "{longest:?}");
}

#[tokio::test]
async fn one_that_was_refused_as_the_line_is_slow_leaves_nothing_that_hinders_others() {
    let server = Server::start();
    let (proxy, here) = far_away(&server).await;
    let (there, table) = (on(server.url()).await, Table::default());
    within(&there, row_here(&table, 1)).await;
    proxy.delay(ms(70));
    within(&here, write_guarded(&table, 1)).await.unwrap_err();
    proxy.pass();
    sleep(BOUND).await;
    for cache in [&here, &there] {
        assert_eq!(sources(cache, &table).await, [Source::Memory; 2]);
    }
}

#[tokio::test]
async fn one_whose_caller_is_gone_before_it_began_leaves_nothing_that_hinders_others() {
    let server = Server::start();
    let (proxy, here) = far_away(&server).await;
    let (there, table) = (on(server.url()).await, Table::default());
    within(&there, row_here(&table, 1)).await;
    let acknowledged = here.stats().events.acknowledged;
    let begun = timeout(ms(10), within(&here, write_guarded(&table, 1))).await;
    assert!(begun.is_err() && table.value() == 0, "it is half way");
    proxy.pass();
    until("its mark is taken away", || {
        here.stats().events.acknowledged > acknowledged
    })
    .await;
    // Heard.
    sleep(ms(100)).await;
    for cache in [&here, &there] {
        assert_eq!(sources(cache, &table).await, [Source::Memory; 2]);
    }
}

#[tokio::test]
async fn one_that_an_acl_refuses_leaves_nothing_that_hinders_others() {
    let server = Server::start();
    let mute = on(url_of_user(&server, "resetchannels")).await;
    let (there, table) = (on(server.url()).await, Table::default());
    within(&mute, write_guarded(&table, 1)).await.unwrap_err();
    assert_eq!(sources(&there, &table).await, [Source::Memory; 2]);
    assert_eq!(
        mute.stats().events.pending,
        0,
        "nothing is to be taken away"
    );
}

#[tokio::test]
async fn a_process_that_did_not_hear_the_end_of_one_keeps_values_again() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let (here, there) = (on(server.url()).await, on(proxy.url()).await);
    let (table, steps) = (Table::default(), Steps::new());
    within(&there, row_here(&table, 1)).await;
    let heard = there.stats().events.heard;
    let mutation = spawn_in(&here, write_slowly(table.clone(), 1, Arc::clone(&steps)));
    steps.begun.acquire().await.unwrap().forget();
    until("the mark is heard", || there.stats().events.heard > heard).await;
    proxy.refuse();
    proxy.close_all();
    steps.go.add_permits(1);
    mutation.await.unwrap().unwrap();
    sleep(ms(100)).await;
    proxy.pass();
    sleep(BOUND).await;
    for cache in [&here, &there] {
        assert_eq!(sources(cache, &table).await, [Source::Memory; 2]);
    }
}

#[tokio::test]
async fn an_event_in_another_database_of_the_server_takes_no_mark_away() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let (here, there) = (on(server.url()).await, on(proxy.url()).await);
    let elsewhere = on(format!("{}3", server.url())).await;
    let (table, steps) = (Table::default(), Steps::new());
    let mutation = spawn_in(&here, write_slowly(table.clone(), 1, Arc::clone(&steps)));
    steps.begun.acquire().await.unwrap().forget();
    until("the mark is heard", || there.stats().events.heard > 0).await;
    let heard = there.stats().events.heard;
    elsewhere.emit(RowChanged { id: 1 }).await.unwrap();
    sleep(ms(100)).await;
    assert_eq!(there.stats().events.heard, heard);
    within(&there, row_here(&table, 1)).await;
    let read = explained(&there, row_here(&table, 1)).await;
    assert_eq!(
        read.source,
        Source::Load,
        "nothing is kept under it: {read}"
    );
    steps.go.add_permits(1);
    mutation.await.unwrap().unwrap();
}

#[tokio::test]
async fn caches_on_another_database_hear_each_other_and_are_told_of_their_own_channel() {
    let said = Said::from(Level::WARN);
    let _guard = tracing::subscriber::set_default(registry().with(said.clone()));
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let (here, there) = (
        on(format!("{}3", server.url())).await,
        on(format!("{}3", proxy.url())).await,
    );
    let table = Table::default();
    assert!(until_seen(&here, &there, &table).await < BOUND);
    let url = url_of_user(&server, "resetchannels");
    let mute = on(format!("{url}3")).await;
    within(&mute, write(&table, 1)).await;
    let words = said.take();
    let rule = "ACL SETUSER .. &test:b:3";
    let are_told = words.iter().all(|it| it.contains(rule));
    assert!(are_told && !words.is_empty(), "{words:?}");
}

#[tokio::test]
async fn one_that_an_acl_refuses_says_so_each_time_that_it_is_written_anew() {
    let said = Said::from(Level::WARN);
    let _guard = tracing::subscriber::set_default(registry().with(said.clone()));
    let server = Server::start();
    let (cache, table) = (on(url_of_user(&server, "&test:b")).await, Table::default());
    for _ in 0..2 {
        within(&cache, write_guarded(&table, 1)).await.unwrap();
        url_of_user(&server, "resetchannels");
        for _ in 0..2 {
            let Denied(refused) = within(&cache, write_guarded(&table, 1)).await.unwrap_err();
            assert!(refused.to_string().contains("ACL"), "{refused}");
        }
        let words = said.take();
        let told = words
            .iter()
            .filter(|it| it.contains("refuses invalidations"));
        let told: Vec<_> = told.collect();
        assert_eq!(told.len(), 1, "{words:?}");
        assert!(told[0].contains("ACL SETUSER .. &test:b"), "{words:?}");
        url_of_user(&server, "&test:b");
    }
}

async fn sources_behind_an_event(channels: &str) -> Vec<Source> {
    let server = Server::start();
    let mute = on(url_of_user(&server, channels)).await;
    let proxy = Proxy::to(&server);
    let (there, third) = (on(server.url()).await, on(proxy.url()).await);
    let table = Table::default();
    within(&mute, write(&table, 1)).await;
    // Heard, where it is to be heard.
    sleep(ms(100)).await;
    let mut sources = Vec::new();
    for _ in 0..4 {
        within(&there, row(&table, 1)).await;
        sleep(ms(1_500)).await;
        third.clear();
        sources.push(explained(&third, row(&table, 1)).await.source);
        there.clear();
    }
    sources
}

#[tokio::test]
async fn an_event_that_redis_refuses_does_not_make_void_again_and_again_what_others_load() {
    assert_eq!(sources_behind_an_event("&*").await, [Source::Redis; 4]);
    let refused = sources_behind_an_event("resetchannels").await;
    assert_eq!(refused, [Source::Redis; 4]);
}

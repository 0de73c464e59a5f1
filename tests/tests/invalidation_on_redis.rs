//! What an event in one process means in another, on a real Redis, with and without faults between them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::{Duration, Instant},
};

use cache_core::{Cache, ErrorKind, Redis, RedisMiss, Source, cached};
use futures::FutureExt;
use tests::{
    SOON,
    log::Said,
    proxy::Proxy,
    rows::{RowChanged, Table, explained, ms, row, row_here, within, write, write_that_hangs},
    server::Server,
    until,
};
use tokio::{
    runtime::Builder,
    time::{sleep, timeout},
};
use tracing::{Level, subscriber::set_default};
use tracing_subscriber::{layer::SubscriberExt, registry};

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn page(table: &Table, id: u64) -> u64 {
    row(table, id).await
}

const BOUND: Duration = Duration::from_millis(400);

async fn cache(url: impl Into<Redis>) -> Cache {
    let builder = Cache::builder()
        .namespace("test")
        .redis(url)
        // An answer that is late on a busy machine would have nothing kept there.
        .redis_budget(SOON)
        .staleness_bound(BOUND)
        .unknown_outcome(ms(300));
    builder.require_redis().build().await.unwrap()
}

/// Two caches that are two processes to one another: those of one URL would be one.
async fn two(server: &Server) -> (Cache, Cache) {
    let socket = format!("unix://{}", server.socket().display());
    (cache(server.url()).await, cache(socket).await)
}

async fn filled(cache: &Cache, name: &str, fills: u64) {
    until("the entry was written", || {
        cache
            .stats()
            .function(name)
            .is_some_and(|row| row.redis_fills >= fills)
    })
    .await;
}

#[tokio::test]
async fn an_event_reaches_the_memory_of_another_process() {
    let server = Server::start();
    let (here, there) = two(&server).await;
    let table = Table::default();
    explained(&here, row(&table, 1)).await;
    filled(&here, "row", 1).await;
    assert_eq!(
        explained(&there, row(&table, 1)).await.source,
        Source::Redis
    );
    assert_eq!(
        explained(&there, row(&table, 1)).await.source,
        Source::Memory
    );
    within(&here, write(&table, 1)).await;
    let own = explained(&here, row(&table, 1)).await;
    assert_eq!((own.value, own.redis), (1, Some(RedisMiss::Invalidated)));
    until("the message arrives", || there.stats().events.heard > 0).await;
    assert_eq!(explained(&there, row(&table, 1)).await.value, 1);
    assert_eq!(here.stats().events.acknowledged, 1);
}

#[test]
fn a_process_that_only_reads_hears_others_on_its_next_runtime_too() {
    let server = Server::start();
    let table = Table::default();
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let there = runtime().block_on(cache(server.url()));
    runtime().block_on(async {
        let here = cache(format!("unix://{}", server.socket().display())).await;
        let begin = Instant::now();
        while there.stats().events.heard == 0 {
            assert!(begin.elapsed() < SOON, "nothing is heard");
            explained(&there, row(&table, 1)).await;
            within(&here, write(&table, 1)).await;
            sleep(Duration::from_millis(10)).await;
        }
    });
}

#[tokio::test]
async fn an_entry_shows_the_versions_that_it_was_loaded_under() {
    let server = Server::start();
    let (here, there) = two(&server).await;
    let table = Table::default();
    let loaded = explained(&here, row(&table, 7)).await;
    filled(&here, "row", 1).await;
    let read = explained(&there, row(&table, 7)).await;
    assert_eq!(loaded.stamps, read.stamps);
    for stamp in &loaded.stamps {
        let version = server.command(&["GET", &format!("test:t:{}", stamp.tag)]);
        assert_eq!(version, stamp.version.unwrap().to_string(), "{}", stamp.tag);
    }
}

#[tokio::test]
async fn a_mutation_that_redis_does_not_hear_of_is_seen_by_its_own_process_and_reaches_others_later()
 {
    let mut server = Server::start();
    let (here, there) = two(&server).await;
    let table = Table::default();
    explained(&here, row(&table, 1)).await;
    filled(&here, "row", 1).await;
    explained(&there, row(&table, 1)).await;
    server.pause();
    within(&here, write(&table, 1)).await;
    let own = explained(&here, row(&table, 1)).await;
    assert_eq!(own.value, 1);
    // It is asked no more once it has missed beats enough.
    let unasked = [RedisMiss::Pending, RedisMiss::Unavailable];
    assert!(
        own.redis.is_some_and(|miss| unasked.contains(&miss)),
        "{own}"
    );
    assert!(here.stats().events.pending > 0);
    server.resume();
    until("the event has arrived", || here.stats().events.pending == 0).await;
    until("the other has heard of it", || {
        there.stats().events.heard > 0
    })
    .await;
    assert_eq!(explained(&there, row(&table, 1)).await.value, 1);
    server.kill();
}

#[tokio::test]
async fn a_process_that_hears_nothing_serves_no_longer_than_the_bound() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let (here, there) = (cache(server.url()).await, cache(proxy.url()).await);
    let table = Table::default();
    explained(&there, row(&table, 1)).await;
    proxy.black_hole();
    within(&here, write(&table, 1)).await;
    sleep(BOUND + Duration::from_millis(50)).await;
    assert_eq!(explained(&there, row(&table, 1)).await.value, 1);
    proxy.pass();
}

#[tokio::test]
async fn a_redis_that_lost_everything_brings_nothing_back() {
    let mut server = Server::start();
    let (here, there) = two(&server).await;
    let table = Table::default();
    explained(&here, row(&table, 1)).await;
    filled(&here, "row", 1).await;
    explained(&there, row(&table, 1)).await;
    server.kill();
    within(&here, write(&table, 1)).await;
    assert_eq!(explained(&here, row(&table, 1)).await.value, 1);
    server.start_again();
    until("both are connected again", || {
        [&here, &there]
            .iter()
            .all(|cache| cache.stats().events.lineages > 0)
    })
    .await;
    until("the event has arrived", || here.stats().events.pending == 0).await;
    let read = explained(&there, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}

#[tokio::test]
async fn flushed_tags_make_entries_void_and_not_valid() {
    let server = Server::start();
    let (here, there) = two(&server).await;
    let table = Table::default();
    explained(&here, row(&table, 1)).await;
    filled(&here, "row", 1).await;
    let entry = server.command(&["KEYS", "test:e:*"]);
    let bytes = server.command(&["DUMP", &entry]);
    assert!(!bytes.is_empty());
    server.command(&["DEL", "test:t:RowChanged:1"]);
    let read = explained(&there, row(&table, 1)).await;
    assert_eq!(
        (read.source, read.redis),
        (Source::Load, Some(RedisMiss::Invalidated))
    );
}

#[tokio::test]
async fn a_value_made_of_an_older_one_is_not_taken_for_newer_than_that() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    // Its bound is long: what it has not heard of it may serve for a while.
    let deaf = Cache::builder().namespace("test").redis(proxy.url());
    let deaf = deaf
        .staleness_bound(Duration::from_mins(1))
        .build()
        .await
        .unwrap();
    let here = cache(server.url()).await;
    let table = Table::default();
    explained(&deaf, row(&table, 1)).await;
    // The message is lost: only the subscriber's connection is gone, and comes back.
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    within(&here, write(&table, 1)).await;
    let made = explained(&deaf, page(&table, 1)).await.value;
    let _ = deaf.close(SOON).await;
    assert_eq!(made, 1);
    assert_eq!(explained(&here, page(&table, 1)).await.value, 1);
}

#[tokio::test]
async fn a_proof_of_one_server_says_nothing_of_another() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::to(&old);
    let there = cache(proxy.url()).await;
    let here = cache(new.url()).await;
    let table = Table::default();
    explained(&there, row(&table, 2)).await;
    // The name leads to another server now. The old one is up, and loses all connections but those that listen.
    proxy.lead_to(&new);
    old.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    for id in 10.. {
        explained(&there, row(&table, id)).await;
        if there.stats().events.lineages > 0 {
            break;
        }
        assert!(id < 200, "it has not found the new server");
        sleep(Duration::from_millis(20)).await;
    }
    let first = explained(&there, row(&table, 1)).await;
    assert_eq!(first.value, 0);
    within(&here, write(&table, 1)).await;
    until("it is acknowledged", || {
        here.stats().events.acknowledged == 1
    })
    .await;
    sleep(Duration::from_secs(2)).await;
    let read = explained(&there, row(&table, 1)).await;
    assert_eq!(read.value, 1, "2 s later, with a bound of 0.4 s: {read}");
}

#[tokio::test]
async fn a_cache_that_is_built_anew_knows_what_its_process_has_changed() {
    let server = Server::start();
    let first = cache(server.url()).await;
    let table = Table::default();
    explained(&first, row(&table, 1)).await;
    filled(&first, "row", 1).await;
    // It takes no writes for a while.
    server.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    within(&first, write(&table, 1)).await;
    assert_eq!(
        explained(&first, row(&table, 1)).await.value,
        1,
        "as it should"
    );
    drop(first);
    let second = cache(server.url()).await;
    let read = explained(&second, row(&table, 1)).await;
    assert_eq!(
        read.value, 1,
        "in the process whose mutation has returned: {read}"
    );
    server.command(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    until("it is sent", || second.stats().events.pending == 0).await;
}

#[tokio::test]
async fn caches_of_one_process_with_one_redis_and_namespace_have_one_bound() {
    let server = Server::start();
    let _first = cache(server.url()).await;
    let builder = |namespace: &str| {
        let builder = Cache::builder().namespace(namespace).redis(server.url());
        builder.staleness_bound(BOUND * 2)
    };
    let refused = builder("test").build().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Configuration);
    assert!(refused.to_string().contains("400ms"), "{refused}");
    builder("other").build().await.unwrap();
}

#[tokio::test]
async fn a_user_whom_redis_refuses_the_channel_is_told_what_to_write_and_loses_no_event() {
    let said = Said::from(Level::WARN);
    let _guard = set_default(registry().with(said.clone()));
    let server = Server::start();
    // Before 7.0 a user has all channels unless told otherwise.
    let rules = [
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">pw",
        "~test:*",
        "resetchannels",
        "+@all",
    ];
    assert_eq!(server.command(&rules), "OK");
    let here = cache(format!("redis://app:pw@127.0.0.1:{}/", server.port())).await;
    let table = Table::default();
    explained(&here, row(&table, 1)).await;
    within(&here, write(&table, 1)).await;
    assert_eq!(explained(&here, row(&table, 1)).await.value, 1);
    assert_eq!(here.stats().events.pending, 1);
    let refused = "Redis refuses invalidations";
    let words = said.take();
    let words: Vec<_> = words
        .iter()
        .filter(|words| words.contains(refused))
        .collect();
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(words[0].contains("ACL SETUSER .. &test:b"), "{words:?}");
    server.command(&["ACL", "SETUSER", "app", "&test:b"]);
    until("it is sent", || here.stats().events.pending == 0).await;
}

#[test]
fn a_runtime_that_ends_with_an_event_on_its_way_panics_nobody() {
    static HAS_PANICKED: AtomicBool = AtomicBool::new(false);
    let server = Server::start();
    let table = Table::default();
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let built = first.block_on(async {
        let cache = cache(server.url()).await;
        within(&cache, row(&table, 1)).await;
        sleep(ms(100)).await;
        server.pause();
        let _ = within(&cache, write(&table, 1)).now_or_never();
        cache
    });
    drop(first);
    server.resume();
    let hook = std::panic::take_hook();
    let own = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        // A test beside this one may fail for reasons of its own.
        if std::thread::current().id() == own {
            HAS_PANICKED.store(true, SeqCst);
        }
        hook(info);
    }));
    runtime().block_on(async {
        let begun = Instant::now();
        while begun.elapsed() < ms(1_500) {
            within(&built, row(&table, 1)).await;
            sleep(ms(20)).await;
        }
    });
    let _ = std::panic::take_hook();
    assert!(!HAS_PANICKED.load(SeqCst), "a task panicked");
}

#[tokio::test]
async fn a_close_is_not_late() {
    let server = Server::start();
    let (cache, table) = (cache(server.url()).await, Table::default());
    within(&cache, row(&table, 1)).await;
    server.pause();
    let _ = within(&cache, write(&table, 1)).now_or_never();
    let begun = Instant::now();
    let _ = cache.close(ms(500)).await;
    let took = begun.elapsed();
    server.resume();
    assert!(took < ms(700), "{took:?}");
}

#[tokio::test]
async fn an_unknown_outcome_is_emitted_once_more_here_though_redis_refuses_it() {
    let server = Server::start();
    let (cache, table) = (cache(server.url()).await, Table::default());
    within(&cache, row_here(&table, 1)).await;
    server.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let _ = timeout(ms(20), Cache::scope(cache.clone(), write_that_hangs(1))).await;
    sleep(ms(150)).await;
    assert_eq!(within(&cache, row(&table, 1)).await, 0);
    assert_eq!(within(&cache, row_here(&table, 1)).await, 0);
    // The statement is committed late, but before the second word.
    table.set(1);
    sleep(ms(2_000)).await;
    let both = within(&cache, row(&table, 1)).await;
    let here = within(&cache, row_here(&table, 1)).await;
    assert_eq!((both, here), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_many_rows_waits_no_longer_than_its_budget_by_much() {
    let server = Server::start();
    let cache = cache(server.url()).await;
    for many in [20_000, 40_000] {
        let rows: Vec<_> = (0..many).map(|id| RowChanged { id }).collect();
        let begun = Instant::now();
        let _ = cache.emit(rows).await;
        let took = begun.elapsed();
        // What is not the budget is this build's, on a machine that does other things.
        assert!(took < ms(3_000), "{many} rows: {took:?}");
        until("it is acknowledged", || cache.stats().events.pending == 0).await;
    }
}

/// Bytes of this process in memory.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Notes are taken once there is a value that says what it depends on.
#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |_| RowChanged { id: 1 })]
async fn noted(table: &Table, id: u64) -> u64 {
    table.value()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_remembered_of_messages_is_bounded_whatever_they_say() {
    let server = Server::start();
    let (cache, table) = (cache(server.url()).await, Table::default());
    within(&cache, noted(&table, 1)).await;
    let (rounds, lines) = (20, 50_000);
    let mut before = 0;
    for round in 0..rounds {
        let message: Vec<_> = (0..lines).map(|n| format!("{round:x}.{n:x} 1 o")).collect();
        server.command(&["PUBLISH", "test:b", &message.join("\n")]);
        if round == 0 {
            sleep(ms(300)).await;
            before = resident();
        }
    }
    let all = rounds * lines;
    until("all is heard", || cache.stats().events.heard >= all).await;
    let grown = resident().saturating_sub(before) >> 20;
    assert!(grown < 100, "{grown} MiB for {all} lines of 14 bytes");
}

#[cached(ttl = 20h, skip(table), invalidate_on = RowChanged { id })]
async fn lasting(table: &Table, id: u64) -> u64 {
    table.value()
}

/// A tag that is gone makes its entries useless.
#[tokio::test]
async fn a_tag_lives_a_day_longer_than_what_depends_on_it() {
    let server = Server::start();
    let (cache, table) = (cache(server.url()).await, Table::default());
    within(&cache, lasting(&table, 7)).await;
    filled(&cache, "lasting", 1).await;
    let left = server.command(&["PTTL", "test:t:RowChanged:7"]);
    let hours = left.parse::<i64>().unwrap() / 3_600_000;
    // Lifetimes differ by a tenth.
    assert!((41..=44).contains(&hours), "{left}");
}

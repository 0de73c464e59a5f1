//! What is said of the tier that processes share: one event of `tracing` for each change of its state, and none for a call.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use cache_core::{
    Cache, Event, cached,
    testing::{FakeRedis, Fault, Operation},
};
use futures::FutureExt;
use tests::{log::Said, process, server::Server, until};
use tracing::{Level, subscriber::DefaultGuard};
use tracing_subscriber::{layer::SubscriberExt, registry::Registry};

#[derive(Event)]
#[event(used_elsewhere)]
struct NameChanged {
    id: String,
}

#[cached(ttl = 1h, invalidate_on = NameChanged { id })]
async fn name(id: String) -> String {
    id
}

/// Of a runtime of one thread. Each test begins with it: what a thread without one has met is said to none of one.
fn listening() -> (Said, DefaultGuard) {
    let said = Said::from(Level::INFO);
    let subscriber = Registry::default().with(said.clone());
    (said, tracing::subscriber::set_default(subscriber))
}

fn count(said: &[String], words: &str) -> usize {
    said.iter().filter(|line| line.contains(words)).count()
}

#[tokio::test]
async fn what_is_stopped_is_said_once_and_once_more_when_it_goes_on() {
    let (said, _guard) = listening();
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    redis.inject(Operation::Read, Fault::Fail);
    for id in 0..100 {
        Cache::scope(cache.clone(), name(format!("{id}"))).await;
    }
    redis.recover();
    let lines = RefCell::new(Vec::new());
    until("reads go on", || {
        // Who asks has it looked after.
        let _ = Cache::scope(cache.clone(), name(format!("{:?}", Instant::now()))).now_or_never();
        lines.borrow_mut().extend(said.take());
        count(&lines.borrow(), "calls use it") > 0
    })
    .await;
    let lines = lines.into_inner();
    assert_eq!(count(&lines, "direction=\"reads\""), 2, "{lines:?}");
    assert_eq!(count(&lines, "keeps failing"), 1, "{lines:?}");
    assert_eq!(count(&lines, "calls use it"), 1, "{lines:?}");
}

#[tokio::test]
async fn a_gap_is_said_once_and_so_is_a_lineage() {
    let (said, _guard) = listening();
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    let call = || Cache::scope(cache.clone(), name("Ada".into()));
    call().await;
    let first = said.take();
    assert_eq!(count(&first, "listening for invalidations"), 1, "{first:?}");

    redis.disconnect();
    until("it is heard again", || cache.stats().events.gaps == 2).await;
    for _ in 0..100 {
        call().await;
    }
    let lines = said.take();
    assert_eq!(count(&lines, "not heard any more"), 1, "{lines:?}");
    assert_eq!(count(&lines, "heard again"), 1, "{lines:?}");
    assert_eq!(lines.len(), 2, "and nothing of calls: {lines:?}");

    let replica = redis.replica();
    redis.fail_over(replica);
    until("it is known", || cache.stats().events.lineages == 1).await;
    for _ in 0..100 {
        call().await;
    }
    let lines = said.take();
    assert_eq!(count(&lines, "another one than before"), 1, "{lines:?}");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(said.take().is_empty());
}

#[tokio::test]
async fn a_connection_that_is_lost_is_said_once_and_so_is_that_it_is_back() {
    let (said, _guard) = listening();
    let mut server = Server::start();
    let builder = Cache::builder().redis(server.url()).require_redis();
    let cache = builder.build().await.unwrap();
    let call = || Cache::scope(cache.clone(), name("Ada".into()));
    call().await;
    let _ = said.take();

    server.kill();
    until("it is lost", || cache.health().is_degraded()).await;
    for _ in 0..100 {
        call().await;
    }
    server.start_again();
    until("it is back", || {
        let events = cache.stats().events;
        !cache.health().is_degraded() && (events.gaps, events.lineages) == (2, 1)
    })
    .await;
    for _ in 0..100 {
        call().await;
    }
    let lines = said.take();
    for words in [
        "lost the connection to Redis",
        "connected to Redis again",
        "not heard any more",
        "heard again",
        "another one than before",
    ] {
        assert_eq!(count(&lines, words), 1, "{words}: {lines:?}");
    }
    assert_eq!(lines.len(), 5, "and nothing of calls: {lines:?}");
    drop(cache);
    assert!(said.take().is_empty(), "whoever drops it knows");
}

#[tokio::test]
async fn that_redis_is_full_is_said_once_though_it_is_asked_to_take_things_all_the_time() {
    let (said, _guard) = listening();
    let server = Server::start();
    let cache = Cache::builder().redis(server.url()).require_redis();
    let cache = cache.build().await.unwrap();
    Cache::scope(cache.clone(), name("one".into())).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let _ = said.take();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    for id in 0..500 {
        Cache::scope(cache.clone(), name(format!("{id}"))).await;
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    let lines = said.take();
    assert_eq!(
        (lines.len(), count(&lines, "direction=\"writes\"")),
        (1, 1),
        "{lines:?}"
    );
}

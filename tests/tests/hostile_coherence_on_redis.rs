//! Ways to be served what an event has made void, on real servers. Each test names what is promised, and fails where
//! that is not kept.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    fmt::Write as _,
    future::Future,
    sync::{
        Arc, Mutex,
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
async fn min_replicas_to_write_stops_the_side_of_an_isolated_primary() {
    let (isolated, promoted) = (Server::start(), Server::start());
    let (there, here) = (
        cache(isolated.url(), BOUND).await,
        cache(promoted.url(), BOUND).await,
    );
    let table = Table::default();
    within(&there, row(&table, 1)).await;
    isolated.command(&["CONFIG", "SET", "min-replicas-max-lag", "1"]);
    isolated.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    assert!(isolated.command(&["SET", "a", "1"]).contains("NOREPLICAS"));
    Cache::scope(here.clone(), write(&table, 1)).await;
    sleep(Duration::from_secs(4)).await;
    let read = within(&there, row(&table, 1)).await;
    assert_eq!(
        read.value, 1,
        "4 s after it took no writes any more: {read}"
    );
}

#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Said {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Words(String);
        impl tracing::field::Visit for Words {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                let _ = write!(self.0, "{field}={value:?} ");
            }
        }
        if *event.metadata().level() <= tracing::Level::WARN {
            let mut words = Words(String::new());
            event.record(&mut words);
            self.0.lock().unwrap().push(words.0);
        }
    }
}

#[tokio::test]
async fn a_user_whom_redis_refuses_the_channel_is_told_that_no_event_arrives() {
    use tracing_subscriber::layer::SubscriberExt as _;
    let said = Said::default();
    let _guard =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(said.clone()));
    let server = Server::start();
    let rules = ["ACL", "SETUSER", "app", "on", ">pw", "~test:*", "+@all"];
    assert_eq!(server.command(&rules), "OK");
    let url = format!("redis://app:pw@127.0.0.1:{}/", server.port());
    let here = cache(url, BOUND).await;
    let table = Table::default();
    within(&here, row(&table, 1)).await;
    let emitted = here.emit(RowChanged { id: 1 }).await;
    sleep(Duration::from_secs(3)).await;
    let events = here.stats().events;
    let version = server.command(&["GET", "test:t:RowChanged:1"]);
    sleep(Duration::from_millis(1_500)).await;
    let later = server.command(&["GET", "test:t:RowChanged:1"]);
    println!(
        "emit: {emitted:?}\n{events:?}\nversions: {version} {later}\nsaid: {:#?}",
        said.0.lock().unwrap()
    );
    assert_eq!(version, later, "one event is bumped again and again");
    assert_eq!(
        events.pending, 0,
        "an event that is refused waits for ever: {events:?}"
    );
}

#[test]
fn the_mark_of_a_dead_writer_ends_on_a_real_server_too() {
    let server = Server::start();
    let script = |name: &str| {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../cache-core/src/l2/redis/tags/"
        );
        let read = |name: &str| std::fs::read_to_string(format!("{folder}{name}.lua")).unwrap();
        read("prelude") + &read(name)
    };
    let run = |name: &str, nonce: &str, life: &str| {
        let script = script(name);
        server.command(&[
            "EVAL", &script, "1", "t:E:1", "ch", "me -", nonce, "E:1", life,
        ])
    };
    run("mark", "dead", "300");
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(200));
        run("mark", "alive", "300");
        run("bump", "alive", "300");
    }
    let left = server.command(&["GET", "t:E:1"]);
    assert!(
        !left.contains("dead"),
        "1 s later, for a mark of 0.3 s: {left}"
    );
}

#[tokio::test]
async fn a_server_that_is_full_keeps_the_marks_of_others() {
    let server = Server::start();
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../cache-core/src/l2/redis/tags/"
    );
    let read = |name: &str| std::fs::read_to_string(format!("{folder}{name}.lua")).unwrap();
    let run = |name: &str, nonce: &str, life: &str| {
        let script = read("prelude") + &read(name);
        server.command(&[
            "EVAL", &script, "1", "t:E:1", "ch", "me -", nonce, "E:1", life,
        ])
    };
    run("mark", "other", "30000");
    run("bump", "", "30000");
    assert!(
        server.command(&["GET", "t:E:1"]).contains("other"),
        "as it should"
    );
    run("mark", "own", "30000");
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    run("bump", "own", "30000");
    let left = server.command(&["GET", "t:E:1"]);
    assert!(
        left.contains("other"),
        "the mark of a mutation that runs is gone: `{left}`"
    );
}

//! Attacks on what is promised of invalidation, the fourth time. Each test is named after the claim that it breaks.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::pedantic,
    missing_docs,
    reason = "a test may fail"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cache_core::{Cache, Refused, Source, invalidates};
use tests::{
    proxy::Proxy,
    rows::{RowChanged, Table, explained, ms, row, row_here, within, write},
    server::Server,
    spawn_in, until,
};
use tokio::{runtime::Builder, time::sleep};

const BOUND: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Denied(Refused);

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Self(refused)
    }
}

#[invalidates(RowChanged { id }, guarded)]
async fn write_guarded(table: &Table, id: u64) -> Result<(), Denied> {
    table.change();
    Ok(())
}

async fn on(url: impl Into<String>, bound: Duration) -> Cache {
    let builder = Cache::builder().namespace("test").redis(url);
    let builder = builder.staleness_bound(bound).require_redis();
    builder.build().await.unwrap()
}

async fn filled(cache: &Cache, name: &str) {
    let function = || cache.stats().function(name).map_or(0, |it| it.redis_fills);
    until("the entry is written", || function() > 0).await;
}

async fn is_synced(replica: &Server) {
    until("the replica has its primary's data", || {
        let info = replica.command(&["INFO", "replication"]);
        info.contains("master_link_status:up")
    })
    .await;
}

fn replicates(replica: &Server, primary: &Server) {
    let port = primary.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]);
}

fn quick() -> Server {
    Server::with(&["--repl-diskless-sync-delay", "0"])
}

/// `coherence.md`: who is on the side of a primary that was isolated hears of the other side half a second after it was
/// made a replica. Here it is made one, and primary again, between two beats.
#[tokio::test]
async fn a_server_that_was_a_replica_between_two_beats_may_have_missed_events() {
    let bound = Duration::from_secs(4);
    let (a, b) = (quick(), quick());
    replicates(&b, &a);
    is_synced(&b).await;
    let (there, table) = (on(a.url(), bound).await, Table::default());
    // Past the beat that sees what attaching a replica did.
    sleep(ms(1_500)).await;
    // A beat may see it as a replica, and mostly does not.
    for _ in 0..3 {
        within(&there, row(&table, 1)).await;
        sleep(ms(300)).await;
        // `a` is apart from here on, and something is written to both.
        b.command(&["REPLICAOF", "NO", "ONE"]);
        a.command(&["SET", "other", "1"]);
        let here = on(b.url(), bound).await;
        within(&here, write(&table, 1)).await;
        assert_eq!(here.stats().events.pending, 0, "it is acknowledged");
        drop(here);
        replicates(&a, &b);
        is_synced(&a).await;
        a.command(&["REPLICAOF", "NO", "ONE"]);
        sleep(bound).await;
        let read = explained(&there, row(&table, 1)).await;
        assert_eq!(read.value, table.value(), "{read}");
        replicates(&b, &a);
        is_synced(&b).await;
        sleep(ms(1_500)).await;
    }
}

/// `coherence.md`: what the own process changed is not served from the moment in which the change returned.
#[tokio::test]
async fn what_a_process_changed_does_not_come_back_to_it_with_the_data_of_a_new_primary() {
    let (a, b) = (quick(), quick());
    replicates(&b, &a);
    is_synced(&b).await;
    let (here, table) = (on(a.url(), BOUND).await, Table::default());
    sleep(ms(1_200)).await;
    assert_eq!(within(&here, row(&table, 1)).await, 0);
    filled(&here, "row").await;
    until("the replica has it", || {
        b.command(&["KEYS", "test:e:*"]).contains("test:e:")
    })
    .await;
    b.command(&["REPLICAOF", "NO", "ONE"]);
    within(&here, write(&table, 1)).await;
    assert_eq!(here.stats().events.pending, 0);
    let begin = Instant::now();
    replicates(&a, &b);
    is_synced(&a).await;
    let took = begin.elapsed();
    let read = explained(&here, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{took:?} {read}");
}

fn runtime() -> tokio::runtime::Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn lost_with_its_runtime(ends: bool) -> u64 {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let table = Table::default();
    let first = runtime();
    first.block_on(async {
        let cache = on(proxy.url(), BOUND).await;
        assert_eq!(within(&cache, row(&table, 1)).await, 0);
        filled(&cache, "row").await;
        proxy.refuse();
        proxy.close_all();
        within(&cache, write(&table, 1)).await;
        assert_eq!(within(&cache, row(&table, 1)).await, 1);
        assert!(cache.stats().events.pending > 0);
    });
    proxy.pass();
    let second = if ends {
        drop(first);
        runtime()
    } else {
        first
    };
    second.block_on(async {
        let cache = on(proxy.url(), BOUND).await;
        let read = explained(&cache, row(&table, 1)).await;
        println!("{read}");
        read.value
    })
}

/// `coherence.md`: the process that called `rename` does not see what was before, whether Redis could be reached or not.
#[test]
fn what_a_process_changed_is_not_served_by_its_next_cache_though_a_runtime_ended_between() {
    assert_eq!(lost_with_its_runtime(false), 1, "with the same runtime");
    assert_eq!(lost_with_its_runtime(true), 1, "with the next one");
}

/// `coherence.md`: an event is sent until it arrives.
#[test]
fn an_event_is_sent_though_the_runtime_that_built_the_cache_stands_still() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let table = Table::default();
    let still = runtime();
    let here = still.block_on(on(proxy.url(), BOUND));
    let moving = runtime();
    moving.block_on(async {
        let there = on(server.url(), BOUND).await;
        assert_eq!(within(&there, row(&table, 1)).await, 0);
        within(&here, write(&table, 1)).await;
        println!("{:?}", here.stats().events);
        sleep(ms(8_000)).await;
        let read = explained(&there, row(&table, 1)).await;
        assert_eq!(read.value, 1, "{read}, {:?}", here.stats().events);
    });
}

fn clients(server: &Server) -> Vec<String> {
    let list = server.command(&["CLIENT", "LIST"]);
    let named = list.lines().filter(|line| line.contains("name=cache-core"));
    let id = |line: &str| {
        let id = line.split(' ').find_map(|it| it.strip_prefix("id="));
        id.unwrap().to_owned()
    };
    named.map(id).collect()
}

/// `coherence.md`: connections that lead to different servers are not believed, and made anew. Here the user may not
/// listen, and there is nothing to compare with.
#[tokio::test]
async fn caches_of_a_process_that_may_not_listen_do_not_stay_with_different_servers() {
    let (old, new) = (Server::start(), Server::start());
    for server in [&old, &new] {
        server.command(&[
            "ACL",
            "SETUSER",
            "u",
            "on",
            ">p",
            "~*",
            "+@all",
            "resetchannels",
        ]);
    }
    let proxy = Proxy::to(&old);
    let url = format!("redis://u:p@127.0.0.1:{}/", proxy.port());
    let first = on(&url, ms(500)).await;
    let of_first = clients(&old);
    let second = on(&url, ms(500)).await;
    let here = on(new.url(), ms(500)).await;
    let table = Table::default();
    within(&second, row(&table, 1)).await;
    filled(&second, "row").await;
    proxy.lead_to(&new);
    for id in of_first {
        old.command(&["CLIENT", "KILL", "ID", &id]);
    }
    until("the first has moved", || {
        new.command(&["CLIENT", "LIST"])
            .matches("name=cache-core ")
            .count()
            >= 2
    })
    .await;
    within(&here, write(&table, 1)).await;
    assert_eq!(here.stats().events.pending, 0);
    // The first knows where the name leads to.
    within(&first, row(&table, 2)).await;
    sleep(ms(5_000)).await;
    within(&first, row(&table, 3)).await;
    let read = explained(&second, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}

/// `CacheBuilder::staleness_bound`: caches of one process have one bound. Here there is only one.
#[tokio::test]
async fn a_cache_may_have_another_bound_than_one_that_is_gone() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let table = Table::default();
    let first = on(proxy.url(), BOUND).await;
    proxy.refuse();
    proxy.close_all();
    within(&first, write(&table, 1)).await;
    assert!(first.stats().events.pending > 0);
    drop(first);
    proxy.pass();
    let builder = Cache::builder().namespace("test").redis(proxy.url());
    let second = builder.staleness_bound(BOUND * 2).build().await;
    assert!(second.is_ok(), "{}", second.unwrap_err());
}

/// Sixty thousand at once, while Redis is away and while it is there.
#[tokio::test]
async fn a_crowd_of_events_arrives_and_all_is_kept_again() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let (here, there) = (on(proxy.url(), BOUND).await, on(server.url(), BOUND).await);
    let table = Table::default();
    for (away, most) in [
        (true, 60_000_u64),
        (false, 60_000),
        (false, 45_000),
        (true, 45_000),
    ] {
        for id in 0..50 {
            within(&there, row(&table, id * 900)).await;
        }
        if away {
            proxy.refuse();
            proxy.close_all();
            sleep(ms(50)).await;
        }
        let gaps = there.stats().events.gaps;
        let value = table.change();
        let begin = Instant::now();
        let told = here
            .emit((0..most).map(|id| RowChanged { id }).collect::<Vec<_>>())
            .await;
        let took = begin.elapsed();
        for id in 0..50 {
            assert_eq!(within(&here, row(&table, id * 900)).await, value, "own");
        }
        let after = Instant::now();
        proxy.pass();
        until("it is told", || here.stats().events.pending == 0).await;
        let told_after = after.elapsed();
        sleep(ms(if told.is_ok() { 50 } else { 300 })).await;
        for id in 0..50 {
            assert_eq!(
                within(&there, row(&table, id * 900)).await,
                value,
                "{away} {most}"
            );
        }
        let lost = there.stats().events.gaps - gaps;
        println!(
            "{away} {most}: {} {took:?} {told_after:?} gaps {lost}",
            told.is_ok()
        );
        sleep(ms(100)).await;
        assert_eq!(
            explained(&there, row(&table, 0)).await.source,
            Source::Memory
        );
        assert!(explained(&here, row(&table, 900)).await.source != Source::Load);
    }
}

#[tokio::test]
async fn odd_namespaces_are_as_good_as_others() {
    let server = Server::start();
    for namespace in [
        "a", "a:b", "a b", "a\nb", "*", "{x}", "a:t", "ü?[x]", "a:b:b", "'\"\\",
    ] {
        let build = || async {
            let builder = Cache::builder()
                .namespace(namespace)
                .redis(format!("{}3", server.url()));
            builder.build().await
        };
        let proxied = Proxy::to(&server);
        let builder = Cache::builder()
            .namespace(namespace)
            .redis(format!("{}3", proxied.url()));
        let (here, there) = match (build().await, builder.build().await) {
            (Ok(here), Ok(there)) => (here, there),
            (here, _) => {
                println!("{namespace:?}: {:?}", here.err().map(|it| it.to_string()));
                continue;
            }
        };
        let table = Table::default();
        sleep(ms(200)).await;
        assert_eq!(within(&there, row(&table, 1)).await, 0);
        filled(&there, "row").await;
        assert_eq!(explained(&here, row(&table, 1)).await.source, Source::Redis);
        within(&here, write(&table, 1)).await;
        sleep(ms(60)).await;
        assert_eq!(within(&there, row(&table, 1)).await, 1, "{namespace:?}");
        println!("{namespace:?}: {:?}", there.stats().events.heard);
    }
}

#[derive(cache_core::Event)]
#[event(used_elsewhere)]
struct NameChanged {
    name: String,
    part: Option<String>,
}

#[cache_core::cached(ttl = 1h, skip(table), invalidate_on = NameChanged { name: name.clone(), part: part.clone() })]
async fn named(table: &Table, name: String, part: Option<String>) -> u64 {
    table.value()
}

#[tokio::test]
async fn odd_fields_are_as_good_as_others() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let (here, there) = (on(proxy.url(), BOUND).await, on(server.url(), BOUND).await);
    let table = Table::default();
    sleep(ms(100)).await;
    let long = "x y".repeat(20_000);
    let odd = [
        "", " ", "a b", "a\nb", "!", ":", "/", "a/b", "%", "\0", "ü", "{}", "0", "..", &long,
    ];
    for name in odd {
        for part in [
            None,
            Some(""),
            Some(" "),
            Some("a\n!"),
            Some("/"),
            Some("None"),
        ] {
            let part = part.map(ToOwned::to_owned);
            let call = || named(&table, name.to_owned(), part.clone());
            within(&there, call()).await;
            let event = NameChanged {
                name: name.to_owned(),
                part: part.clone(),
            };
            let value = table.change();
            here.emit(event).await.unwrap();
            sleep(ms(15)).await;
            let shown: String = name.chars().take(10).collect();
            assert_eq!(within(&there, call()).await, value, "{shown:?} {part:?}");
            let value = table.change();
            let name = name.to_owned();
            here.emit(cache_core::event!(NameChanged { name, .. }))
                .await
                .unwrap();
            sleep(ms(15)).await;
            assert_eq!(within(&there, call()).await, value, "{shown:?} below");
        }
    }
    assert_eq!(there.stats().events.gaps, 1);
}

/// A user that may not hear, and asks instead, is not behind for longer than the bound.
#[tokio::test]
async fn who_may_not_listen_asks_in_time_and_serves_from_memory() {
    let server = Server::start();
    server.command(&[
        "ACL",
        "SETUSER",
        "d",
        "on",
        ">p",
        "~test:*",
        "+@all",
        "resetchannels",
    ]);
    let url = format!("redis://d:p@127.0.0.1:{}/", server.port());
    let bound = ms(400);
    let (there, here) = (on(url, bound).await, on(server.url(), bound).await);
    let table = Table::default();
    for _ in 0..10 {
        within(&there, row(&table, 1)).await;
        within(&there, row_here(&table, 1)).await;
        within(&here, write(&table, 1)).await;
        sleep(bound + ms(10)).await;
        assert_eq!(within(&there, row(&table, 1)).await, table.value());
        assert_eq!(within(&there, row_here(&table, 1)).await, table.value());
        assert_eq!(
            explained(&there, row(&table, 1)).await.source,
            Source::Memory
        );
    }
    // What it changes itself it sees, and does not ask for.
    within(&there, write(&table, 1)).await;
    assert_eq!(within(&there, row(&table, 1)).await, table.value());
    server.command(&["ACL", "SETUSER", "d", "&*"]);
    until("it is told", || there.stats().events.pending == 0).await;
    until("it listens", || there.stats().events.gaps > 0).await;
    within(&here, row(&table, 1)).await;
    within(&there, write(&table, 1)).await;
    sleep(ms(50)).await;
    assert_eq!(within(&here, row(&table, 1)).await, table.value());
}

/// `CacheBuilder::redis_budget`: how long a call may be held for Redis, in all.
#[tokio::test]
async fn a_mutation_is_held_no_longer_than_the_budget_of_its_own_cache() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let build = |budget| {
        let builder = Cache::builder().namespace("test").redis(proxy.url());
        builder.redis_budget(budget).require_redis().build()
    };
    let first = build(ms(2_000)).await.unwrap();
    let second = build(ms(50)).await.unwrap();
    let table = Table::default();
    within(&first, write(&table, 1)).await;
    within(&second, write(&table, 1)).await;
    proxy.black_hole();
    let begin = Instant::now();
    within(&second, write(&table, 1)).await;
    let took = begin.elapsed();
    assert!(took < ms(500), "{took:?}");
}

#[test]
fn what_was_not_sent_when_its_runtime_ended_is_sent_by_the_next_call() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let table = Table::default();
    let mut here = None;
    for round in 0..3 {
        let first = runtime();
        first.block_on(async {
            if here.is_none() {
                here = Some(on(proxy.url(), BOUND).await);
            }
            let here = here.as_ref().unwrap();
            within(here, row(&table, 7)).await;
            proxy.refuse();
            proxy.close_all();
            let emit = here.emit(RowChanged { id: 1 });
            table.change();
            // Polled once, and left with its runtime.
            if round == 1 {
                drop(futures::poll!(std::pin::pin!(emit)));
            } else {
                drop(emit.await);
            }
            drop(within(here, write_guarded(&table, 1)).await);
        });
        drop(first);
        proxy.pass();
        let second = runtime();
        second.block_on(async {
            let here = here.as_ref().unwrap();
            let there = on(server.url(), BOUND).await;
            within(&there, row(&table, 1)).await;
            assert_eq!(within(here, row(&table, 1)).await, table.value());
            until("it is sent", || here.stats().events.pending == 0).await;
            assert!(here.stats().events.acknowledged > round);
            sleep(ms(50)).await;
            assert_eq!(within(&there, row(&table, 1)).await, table.value());
        });
    }
}

/// A task of an executor that has no place for it any more: to wake it is to drop it.
struct Doomed(std::sync::Mutex<Option<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl std::task::Wake for Doomed {
    fn wake(self: Arc<Self>) {
        let task = self.0.lock().unwrap().take();
        drop(task);
    }
}

/// `flight/member.rs`: a waker may drop a whole task, and is never called under a lock.
fn woken_and_dropped(with_a_hold: bool) {
    tests::bounded(ms(5_000), move || {
        let server = Server::start();
        let runtime = runtime();
        runtime.block_on(async {
            let cache = on(server.url(), BOUND).await;
            cache.emit(RowChanged { id: 3 }).await.unwrap();
            let own = cache.clone();
            let mut task: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> =
                Box::pin(async move {
                    let _pending = with_a_hold.then(|| own.hold(RowChanged { id: 2 }));
                    let _ = own.emit(RowChanged { id: 1 }).await;
                });
            let doomed = Arc::new(Doomed(std::sync::Mutex::new(None)));
            let waker = std::task::Waker::from(Arc::clone(&doomed));
            let mut cx = std::task::Context::from_waker(&waker);
            assert!(task.as_mut().poll(&mut cx).is_pending());
            *doomed.0.lock().unwrap() = Some(task);
            sleep(ms(50)).await;
            assert!(doomed.0.lock().unwrap().is_none(), "it was woken");
            cache.emit(RowChanged { id: 3 }).await.unwrap();
        });
    });
}

#[test]
fn whoever_waits_for_an_acknowledgement_may_be_dropped_by_it() {
    // What it holds emits nothing.
    woken_and_dropped(false);
    woken_and_dropped(true);
}

/// `EventStats::pending`: emissions that are not acknowledged yet, of which nothing is read from Redis.
#[tokio::test]
async fn what_is_acknowledged_and_will_be_said_once_more_is_not_pending() {
    let server = Server::start();
    let (cache, table) = (on(server.url(), BOUND).await, Table::default());
    let dropped = tokio::time::timeout(ms(20), within(&cache, tests::rows::write_that_hangs(1)));
    assert!(dropped.await.is_err());
    until("it is acknowledged", || {
        cache.stats().events.acknowledged == 1
    })
    .await;
    within(&cache, row(&table, 1)).await;
    filled(&cache, "row").await;
    cache.clear();
    assert_eq!(
        explained(&cache, row(&table, 1)).await.source,
        Source::Redis
    );
    assert_eq!(cache.stats().events.pending, 0);
}

/// The first time.
struct Panics(std::sync::atomic::AtomicBool);

impl std::task::Wake for Panics {
    fn wake(self: Arc<Self>) {
        assert!(
            self.0.swap(true, std::sync::atomic::Ordering::SeqCst),
            "a waker"
        );
    }
}

/// `watchdog.rs`: a waker that panics takes nobody along.
#[tokio::test]
async fn a_waker_that_panics_takes_no_event_along() {
    let server = Server::start();
    let cache = on(server.url(), BOUND).await;
    cache.emit(RowChanged { id: 3 }).await.unwrap();
    let waker = std::task::Waker::from(Arc::new(Panics(false.into())));
    let mut cx = std::task::Context::from_waker(&waker);
    let mut first = Box::pin(cache.emit(RowChanged { id: 1 }));
    // Of the two behind it, which go together, the first panics.
    let mut second = Box::pin(cache.emit(RowChanged { id: 2 }));
    let third = cache.emit(RowChanged { id: 4 });
    assert!(
        first
            .as_mut()
            .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
            .is_pending()
    );
    assert!(second.as_mut().poll(&mut cx).is_pending());
    let third = tokio::time::timeout(ms(1_000), third).await;
    println!("{third:?} {:?}", cache.stats().events);
    std::mem::forget(second);
    cache.emit(RowChanged { id: 5 }).await.unwrap();
    let left = cache.close(ms(1_000)).await;
    assert_eq!(left.events, 0, "{:?}", cache.stats().events);
}

static LATE_LOADS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

#[cache_core::cached(ttl = 1h, tiers = memory, invalidate_on = |row| RowChanged { id: row.0 })]
async fn slow_and_late(id: u64) -> (u64, u64) {
    LATE_LOADS.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    sleep(ms(60)).await;
    (id, 0)
}

#[cache_core::cached(ttl = 1h, tiers = memory, invalidate_on = RowChanged { id })]
async fn slow_and_known(id: u64) -> (u64, u64) {
    LATE_LOADS.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    sleep(ms(60)).await;
    (id, 0)
}

#[cache_core::cached(ttl = 1h, tiers = memory, inherits)]
async fn slow_and_inheriting(id: u64) -> (u64, u64) {
    LATE_LOADS.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    let known = quick_and_known(id).await;
    sleep(ms(60)).await;
    known
}

#[cache_core::cached(ttl = 1h, tiers = memory, invalidate_on = RowChanged { id })]
async fn quick_and_known(id: u64) -> (u64, u64) {
    (id, 0)
}

/// Loads within three seconds of a hot key, while fifty times a second other things change.
async fn loads_beside_events<F: Future<Output = (u64, u64)> + Send + 'static>(
    call: impl Fn() -> F,
) -> u64 {
    use std::sync::atomic::Ordering::SeqCst;
    let cache = tests::rows::alone().await;
    LATE_LOADS.store(0, SeqCst);
    let begin = Instant::now();
    let mut running = Vec::new();
    for n in 100.. {
        cache
            .emit(NameChanged {
                name: n.to_string(),
                part: None,
            })
            .await
            .unwrap();
        running.push(spawn_in(&cache, call()));
        sleep(ms(20)).await;
        if begin.elapsed() > ms(3_000) {
            break;
        }
    }
    let calls = running.len();
    for call in running {
        call.await.unwrap();
    }
    println!("{calls} calls, {} loads", LATE_LOADS.load(SeqCst));
    LATE_LOADS.load(SeqCst)
}

/// One load for all who call meanwhile: also where the value names its events, and others are emitted.
#[tokio::test]
async fn a_value_that_names_its_events_is_kept_while_others_are_emitted() {
    assert!(loads_beside_events(|| slow_and_known(1)).await < 5);
    assert!(loads_beside_events(|| slow_and_late(1)).await < 50);
}

/// The same of what inherits them.
#[tokio::test]
async fn a_value_that_inherits_its_events_is_kept_while_others_are_emitted() {
    assert!(loads_beside_events(|| slow_and_inheriting(1)).await < 50);
}

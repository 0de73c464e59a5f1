//! Attacks on the repairs of the fourth review: each test is named after the claim that it is to break.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::pedantic,
    missing_docs,
    reason = "a test may fail"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, Source, cached};
use tests::{
    rows::{
        Noted, RowChanged, Table, alone, explained, filled, hears, ms, on, row, row_here, within,
        write, write_that_hangs,
    },
    server::Server,
    spawn_in, until,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::{sleep, timeout},
};

const BOUND: Duration = Duration::from_secs(2);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

// ---- the memo on the hit path

/// `coherence.md`: what was loaded before is not served from the moment in which the change returns.
#[test]
fn no_reader_that_begins_behind_an_invalidation_is_served_what_was_before() {
    let cache = runtime().block_on(alone());
    let tables: Vec<Table> = (0..4).map(|_| Table::default()).collect();
    let floors: Arc<Vec<AtomicU64>> = Arc::new((0..4).map(|_| AtomicU64::new(0)).collect());
    let over = Arc::new(AtomicBool::new(false));
    let hits = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                runtime().block_on(within(&cache, async {
                    while !over.load(SeqCst) {
                        for id in 0..4_u64 {
                            let floor = floors[id as usize].load(SeqCst);
                            let value = row_here(&tables[id as usize], id).await;
                            assert!(value >= floor, "{value} < {floor}");
                            hits.fetch_add(1, SeqCst);
                        }
                    }
                }));
            });
        }
        for id in 0..3_u64 {
            let (cache, floors, over, tables) = (cache.clone(), &floors, &over, &tables);
            scope.spawn(move || {
                runtime().block_on(async {
                    while !over.load(SeqCst) {
                        let value = tables[id as usize].change();
                        cache.emit(RowChanged { id }).await.unwrap();
                        floors[id as usize].store(value, SeqCst);
                        if id == 1 {
                            std::thread::yield_now();
                        }
                    }
                });
            });
        }
        std::thread::sleep(ms(15_000));
        over.store(true, SeqCst);
    });
    println!("{} reads", hits.load(SeqCst));
}

// ---- joining provisionally

#[derive(Clone, Debug, PartialEq, Eq)]
struct NotThere;

/// Keeps no errors.
#[cached(ttl = 1h, tiers = memory, skip(table), invalidate_on = |row| RowChanged { id: row.id })]
async fn find(table: &Table, id: u64) -> Result<Noted, NotThere> {
    let value = table.value();
    sleep(ms(200)).await;
    if value == 0 {
        return Err(NotThere);
    }
    Ok(Noted { id, value })
}

/// `coherence.md`: loads that were under way answer those who called before. An error that is kept is an exception; this one
/// is not kept.
#[tokio::test]
async fn who_calls_behind_an_event_is_not_answered_by_a_load_that_failed_before_it() {
    let (cache, table) = (alone().await, Table::default());
    let begin = || {
        let table = table.clone();
        spawn_in(&cache, async move { find(&table, 1).await })
    };
    let first = begin();
    sleep(ms(50)).await;
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    let second = begin();
    assert!(first.await.unwrap().is_err());
    assert_eq!(second.await.unwrap().map(|it| it.value), Ok(1));
}

#[cached(ttl = 1h, tiers = memory, skip(table), invalidate_on = |row| RowChanged { id: row.id })]
async fn slow(table: Table, id: u64) -> Noted {
    let value = table.value();
    sleep(ms(200)).await;
    Noted { id, value }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_prefetched_behind_an_event_is_there_for_the_next_call() {
    let (cache, table) = (alone().await, Table::default());
    // Notes are taken from here on.
    within(&cache, slow(table.clone(), 9)).await;
    let first = {
        let table = table.clone();
        spawn_in(&cache, async move { slow(table, 1).await })
    };
    sleep(ms(50)).await;
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    within(&cache, slow(table.clone(), 1).prefetch())
        .await
        .unwrap();
    assert_eq!(first.await.unwrap().value, 0);
    sleep(ms(600)).await;
    let read = explained(&cache, slow(table.clone(), 1)).await;
    assert_eq!(
        (read.value.value, read.source),
        (1, Source::Memory),
        "{read}"
    );
}

#[cached(ttl = 1h, tiers = memory, skip(table), invalidate_on = |row| RowChanged { id: row.id }, strategy = stale_if_invalidated(10s))]
async fn served_on(table: Table, id: u64) -> Noted {
    let value = table.value();
    sleep(ms(200)).await;
    Noted { id, value }
}

#[cached(ttl = 1h, tiers = memory, skip(table), invalidate_on = RowChanged { id }, strategy = stale_if_invalidated(10s))]
async fn served_on_known(table: Table, id: u64) -> Noted {
    let value = table.value();
    sleep(ms(200)).await;
    Noted { id, value }
}

macro_rules! served_on {
    ($function:ident) => {{
        let (cache, table) = (alone().await, Table::default());
        within(&cache, $function(table.clone(), 9)).await;
        within(&cache, $function(table.clone(), 1)).await;
        let first = {
            let table = table.clone();
            spawn_in(&cache, async move { $function(table, 1).refresh().await })
        };
        sleep(ms(50)).await;
        table.set(1);
        cache.emit(RowChanged { id: 1 }).await.unwrap();
        // Served as it is, and loaded anew in the background.
        within(&cache, $function(table.clone(), 1)).await;
        drop(first.await);
        let begin = Instant::now();
        while within(&cache, $function(table.clone(), 1)).await.value == 0 {
            assert!(begin.elapsed() < Duration::from_secs(20));
            sleep(ms(20)).await;
        }
        begin.elapsed()
    }};
}

/// `stale_if_invalidated`: what is void is served while its successor is loaded, which takes 200 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_event_made_void_has_a_successor_begun_at_once() {
    let known = served_on!(served_on_known);
    assert!(known < ms(1_000), "known: {known:?}");
    let late = served_on!(served_on);
    assert!(late < ms(1_000), "named by the value: {late:?}");
}

// ---- what is left behind by a cache

/// `coherence.md`: it is sent until it arrives. Here a build that is refused takes events along, and its runtime ends.
#[test]
fn an_event_is_sent_though_a_cache_with_another_bound_could_not_be_built() {
    let server = Server::start();
    let table = Table::default();
    let main = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    // A URL of its own is a place of its own: another process.
    let there_url = format!("redis://localhost:{}/", server.port());
    let there_url = there_url.replace("localhost", "127.0.0.1") + "0";
    main.block_on(async {
        let there = on(there_url, BOUND).await;
        let here = on(server.url(), BOUND).await;
        for id in 1..=2 {
            assert_eq!(within(&there, row(&table, id)).await, 0);
        }
        filled(&there, "row").await;
        within(&here, write(&table, 9)).await;
        // Connections stand, and nothing is written.
        server.command(&["CLIENT", "PAUSE", "20000", "WRITE"]);
        let value = table.change();
        assert!(here.emit(RowChanged { id: 1 }).await.is_err());
        assert!(here.emit(RowChanged { id: 2 }).await.is_err());
        assert_eq!(here.stats().events.pending, 2);
        drop(here);
        let url = server.url();
        let refused = std::thread::spawn(move || {
            let short = runtime();
            let built = short.block_on(async {
                let builder = Cache::builder().namespace("test").redis(url);
                builder.staleness_bound(BOUND * 2).build().await.map(drop)
            });
            drop(short);
            built
        });
        let refused = refused.join().unwrap();
        println!("{refused:?}");
        let error = refused.expect_err("if it was built, one more change was under way: try again");
        assert!(error.to_string().contains("on its way"), "{error}");
        server.command(&["CLIENT", "UNPAUSE"]);
        let again = on(server.url(), BOUND).await;
        until("all is sent, as far as this process knows", || {
            again.stats().events.pending == 0
        })
        .await;
        sleep(BOUND + ms(3_000)).await;
        for id in 1..=2 {
            let read = explained(&there, row(&table, id)).await;
            assert_eq!(
                read.value,
                value,
                "row {id}: {read}, {:?}",
                again.stats().events
            );
        }
    });
}

/// The same, and what the process that emitted it sees itself in its next cache.
#[test]
fn what_a_process_changed_is_not_served_by_its_next_cache_though_one_with_another_bound_was_refused()
 {
    let server = Server::start();
    let table = Table::default();
    let main = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    main.block_on(async {
        let here = on(server.url(), BOUND).await;
        for id in 1..=2 {
            assert_eq!(within(&here, row(&table, id)).await, 0);
        }
        until("both are written", || {
            here.stats()
                .function("row")
                .is_some_and(|it| it.redis_fills == 2)
        })
        .await;
        within(&here, write(&table, 9)).await;
        server.command(&["CLIENT", "PAUSE", "20000", "WRITE"]);
        let value = table.change();
        assert!(here.emit(RowChanged { id: 1 }).await.is_err());
        assert!(here.emit(RowChanged { id: 2 }).await.is_err());
        drop(here);
        let builder = Cache::builder().namespace("test").redis(server.url());
        let refused = builder.staleness_bound(BOUND * 2).build().await;
        let error = refused.expect_err("one change is under way");
        assert!(error.to_string().contains("on its way"), "{error}");
        let again = on(server.url(), BOUND).await;
        let read = explained(&again, row(&table, 2)).await;
        assert_eq!(read.value, value, "{read} {:?}", again.stats().events);
    });
}

/// `coherence.md`: emitted all the same, and once more after `unknown_outcome`.
#[tokio::test]
async fn the_second_word_comes_when_it_is_due_though_the_cache_is_built_anew_with_another_bound() {
    let server = Server::start();
    let (table, outcome) = (Table::default(), ms(3_000));
    let build = |bound| {
        let builder = Cache::builder().namespace("test").redis(server.url());
        builder
            .staleness_bound(bound)
            .unknown_outcome(outcome)
            .require_redis()
            .build()
    };
    let there = on(format!("{}0", server.url()), BOUND).await;
    let here = build(BOUND).await.unwrap();
    // Its caller is gone half way, and it is committed later.
    drop(timeout(ms(100), within(&here, write_that_hangs(1))).await);
    until("it is said", || here.stats().events.acknowledged >= 1).await;
    drop(here);
    let here = build(BOUND * 2).await.unwrap();
    sleep(ms(500)).await;
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    table.set(1);
    sleep(outcome + BOUND).await;
    let read = explained(&there, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{read} {:?}", here.stats().events);
}

/// The control: with the same bound.
#[tokio::test]
async fn the_second_word_comes_when_it_is_due_though_the_cache_is_built_anew() {
    let server = Server::start();
    let (table, outcome) = (Table::default(), ms(3_000));
    let build = |bound| {
        let builder = Cache::builder().namespace("test").redis(server.url());
        builder
            .staleness_bound(bound)
            .unknown_outcome(outcome)
            .require_redis()
            .build()
    };
    let there = on(format!("{}0", server.url()), BOUND).await;
    let here = build(BOUND).await.unwrap();
    drop(timeout(ms(100), within(&here, write_that_hangs(1))).await);
    until("it is said", || here.stats().events.acknowledged >= 1).await;
    drop(here);
    let here = build(BOUND).await.unwrap();
    sleep(ms(500)).await;
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    table.set(1);
    sleep(outcome + BOUND).await;
    let read = explained(&there, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{read} {:?}", here.stats().events);
}

fn rss() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4
}

#[tokio::test]
async fn caches_built_and_dropped_while_redis_is_away_leave_nothing_behind() {
    let server = Server::absent();
    let table = Table::default();
    let mut seen = Vec::new();
    for round in 0..60_u64 {
        let builder = Cache::builder().namespace("test").redis(server.url());
        // Refused at once, it waits for the second that it has.
        let building = builder
            .staleness_bound(BOUND + ms(round % 3))
            .redis_budget(ms(5))
            .build();
        let cache = building.await;
        if let Ok(cache) = &cache {
            for id in 0..20 {
                drop(timeout(ms(2), within(cache, write(&table, round * 100 + id))).await);
            }
        }
        drop(cache);
        if round % 10 == 9 {
            seen.push((Handle::current().metrics().num_alive_tasks(), rss()));
        }
        if round == 12 {
            break;
        }
    }
    println!("{seen:?}");
    sleep(ms(2_500)).await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    assert!(tasks < 20, "{tasks} {seen:?}");
}

// ---- versions that are not what they were

/// The clock of a server that was ahead is set right, and it forgets a tag. Who was told a version of the future believes
/// nothing of it for ever, unless it emits something.
#[tokio::test]
async fn a_tag_of_a_server_whose_clock_was_ahead_is_believed_again_a_minute_after_it_forgot() {
    let server = Server::start();
    let (here, table) = (on(server.url(), BOUND).await, Table::default());
    within(&here, row(&table, 1)).await;
    filled(&here, "row").await;
    let tags = server.command(&["KEYS", "test:t:*"]);
    for tag in tags.lines() {
        // As given by a clock that is an hour ahead.
        let version: u64 = server.command(&["GET", tag]).parse().unwrap();
        server.command(&["SET", tag, &(version + 3_600_000_000).to_string()]);
    }
    within(&here, write(&table, 1)).await;
    server.command(&["FLUSHALL"]);
    sleep(Duration::from_secs(80)).await;
    let fills = |cache: &Cache| cache.stats().function("row").unwrap().redis_fills;
    let before = fills(&here);
    for _ in 0..5 {
        here.clear();
        within(&here, row(&table, 1)).await;
        sleep(ms(100)).await;
    }
    here.clear();
    let read = explained(&here, row(&table, 1)).await;
    assert_eq!(
        read.source,
        Source::Redis,
        "{read}, {} fills",
        fills(&here) - before
    );
}

fn ids(server: &Server) -> Vec<(String, String)> {
    let list = server.command(&["CLIENT", "LIST"]);
    let field = |line: &str, name: &str| {
        let value = line.split(' ').find_map(|it| it.strip_prefix(name));
        value.unwrap_or_default().to_owned()
    };
    let lines = list.lines().filter(|line| line.contains("name=cache-core"));
    lines
        .map(|line| (field(line, "id="), field(line, "name=")))
        .collect()
}

/// `coherence.md`: connections to different servers that stay apart for two seconds are made anew. These never are.
#[tokio::test]
async fn connections_are_not_made_anew_where_a_server_only_changes_its_replication_id() {
    let server = Server::start();
    let (here, table) = (on(server.url(), ms(4_000)).await, Table::default());
    within(&here, row(&table, 1)).await;
    let reading = {
        let table = table.clone();
        spawn_in(&here, async move {
            for id in 0.. {
                row(&table, id).await;
                sleep(ms(2)).await;
            }
        })
    };
    sleep(ms(1_000)).await;
    let before = ids(&server);
    for round in 0..10 {
        server.command(&["DEBUG", "CHANGE-REPL-ID"]);
        sleep(ms(3_130)).await;
        assert_eq!(ids(&server), before, "round {round}");
    }
    reading.abort();
}

fn replicates(replica: &Server, primary: &Server) {
    let port = primary.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]);
}

async fn is_synced(replica: &Server) {
    until("the replica has its primary's data", || {
        let info = replica.command(&["INFO", "replication"]);
        info.contains("master_link_status:up")
    })
    .await;
}

fn quick() -> Server {
    Server::with(&["--repl-diskless-sync-delay", "0"])
}

/// `coherence.md`, a failover that loses what was acknowledged: the bound holds. Here it is another process that emitted, and
/// this one has heard of it.
#[tokio::test]
async fn what_another_process_changed_does_not_come_back_with_the_data_of_a_new_primary() {
    let mut late = Vec::new();
    for _ in 0..4 {
        let (a, b) = (quick(), quick());
        replicates(&b, &a);
        is_synced(&b).await;
        let (here, there) = (
            on(a.url(), BOUND).await,
            on(format!("{}0", a.url()), BOUND).await,
        );
        let table = Table::default();
        sleep(ms(1_200)).await;
        assert_eq!(within(&there, row(&table, 1)).await, 0);
        filled(&there, "row").await;
        until("the replica has it", || {
            b.command(&["KEYS", "test:e:*"]).contains("test:e:")
        })
        .await;
        b.command(&["REPLICAOF", "NO", "ONE"]);
        hears(&there, within(&here, write(&table, 1))).await;
        let acknowledged = Instant::now();
        drop(here);
        sleep(BOUND + ms(500)).await;
        let begin = Instant::now();
        replicates(&a, &b);
        is_synced(&a).await;
        let took = begin.elapsed();
        let read = explained(&there, row(&table, 1)).await;
        let first = read.value;
        // How long it is served.
        let mut until_when = Duration::ZERO;
        while begin.elapsed() < ms(6_000) {
            if within(&there, row(&table, 1)).await == 0 {
                until_when = begin.elapsed();
            }
            sleep(ms(10)).await;
        }
        if first == 0 || until_when > Duration::ZERO {
            late.push((took, acknowledged.elapsed(), until_when));
        }
    }
    assert!(late.is_empty(), "{late:?}");
}

// ---- mutations that are given up at any moment

mod given_up {
    use cache_core::{Refused, invalidates};
    use tests::rows::RowChanged;

    use super::*;

    #[derive(Debug)]
    pub(super) struct Denied;

    impl From<Refused> for Denied {
        fn from(_: Refused) -> Self {
            Self
        }
    }

    async fn body(table: &Table, id: u64) -> u64 {
        tokio::task::yield_now().await;
        table.change();
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        id
    }

    #[invalidates(Some(RowChanged { id }))]
    pub(super) async fn optional(table: &Table, id: u64) -> u64 {
        body(table, id).await
    }

    #[invalidates(vec![RowChanged { id: id + 100 }, RowChanged { id }])]
    pub(super) async fn many(table: &Table, id: u64) -> u64 {
        body(table, id).await
    }

    #[invalidates((RowChanged { id: id + 100 }, RowChanged { id }))]
    pub(super) async fn tuple(table: &Table, id: u64) -> u64 {
        body(table, id).await
    }

    #[invalidates(RowChanged { id: *result }, RowChanged { .. })]
    pub(super) async fn resulting(table: &Table, id: u64) -> u64 {
        body(table, id).await
    }

    #[invalidates(RowChanged { id }, guarded)]
    pub(super) async fn guarded(table: &Table, id: u64) -> Result<u64, Denied> {
        Ok(body(table, id).await)
    }

    #[invalidates(RowChanged { id })]
    pub(super) async fn panics(table: &Table, id: u64) -> u64 {
        body(table, id).await;
        panic!("on purpose");
    }
}

async fn is_seen(kind: usize, polls: usize, here: &Cache, there: Option<&Cache>, id: u64) {
    use std::{future::Future, pin::Pin};
    let table = Table::default();
    within(here, row(&table, id)).await;
    within(here, row_here(&table, id)).await;
    if let Some(there) = there {
        within(there, row(&table, id)).await;
    }
    let own = table.clone();
    let mutation: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
        match kind {
            0 => drop(given_up::optional(&own, id).await),
            1 => drop(given_up::many(&own, id).await),
            2 => drop(given_up::tuple(&own, id).await),
            3 => drop(given_up::guarded(&own, id).await),
            4 => _ = given_up::resulting(&own, id).await,
            _ => drop(given_up::panics(&own, id).await),
        }
    });
    let mut mutation = Box::pin(Cache::scope(here.clone(), mutation));
    for _ in 0..polls {
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let waker = std::task::Waker::noop();
            mutation
                .as_mut()
                .poll(&mut std::task::Context::from_waker(waker))
                .is_ready()
        }));
        if !matches!(polled, Ok(false)) {
            break;
        }
        sleep(ms(3)).await;
    }
    drop(mutation);
    let value = table.value();
    assert_eq!(within(here, row(&table, id)).await, value, "{kind} {polls}");
    assert_eq!(
        within(here, row_here(&table, id)).await,
        value,
        "{kind} {polls}"
    );
    if let Some(there) = there {
        let begin = Instant::now();
        while within(there, row(&table, id)).await != value {
            assert!(begin.elapsed() < BOUND, "{kind} {polls}");
            sleep(ms(10)).await;
        }
    }
}

#[tokio::test]
async fn what_a_mutation_wrote_that_was_given_up_anywhere_is_seen_at_once() {
    std::panic::set_hook(Box::new(|info| {
        if !info.to_string().contains("on purpose") {
            eprintln!("{info}");
        }
    }));
    let server = Server::start();
    let cache = alone().await;
    let (here, there) = (
        on(server.url(), BOUND).await,
        on(format!("{}0", server.url()), BOUND).await,
    );
    let mut id = 0;
    for kind in 0..6 {
        for polls in 0..9 {
            id += 1;
            is_seen(kind, polls, &cache, None, id).await;
            is_seen(kind, polls, &here, Some(&there), id).await;
        }
    }
    until("all is told", || here.stats().events.pending == 0).await;
    // No mark is left.
    sleep(ms(300)).await;
    let tags = server.command(&["KEYS", "test:t:*"]);
    for tag in tags.lines() {
        assert!(!server.command(&["GET", tag]).starts_with('!'), "{tag}");
    }
}

// ---- leaked holds, and values that are put

/// A hold that is leaked has this process load for ever what depends on it, and nothing else.
#[tokio::test]
async fn a_hold_that_is_leaked_is_no_harm_to_anybody_else() {
    let server = Server::start();
    let (here, there) = (
        on(server.url(), BOUND).await,
        on(format!("{}0", server.url()), BOUND).await,
    );
    let table = Table::default();
    for _ in 0..1_000 {
        std::mem::forget(here.hold(RowChanged { id: 1 }));
    }
    for _ in 0..20 {
        let value = table.change();
        assert_eq!(within(&here, row(&table, 1)).await, value);
        here.emit(RowChanged { id: 1 }).await.unwrap();
        until("it is heard", || there.stats().events.heard > 0).await;
    }
    within(&here, row(&table, 2)).await;
    assert_eq!(
        explained(&here, row(&table, 2)).await.source,
        Source::Memory
    );
    sleep(BOUND).await;
    assert_eq!(within(&there, row(&table, 1)).await, table.value());
    assert_eq!(here.stats().events.pending, 0);
}

/// What is put counts as loaded then: before an event it is void behind it.
#[test]
fn what_was_put_before_an_event_is_not_served_behind_it() {
    let server = Server::start();
    for is_alone in [true, false] {
        let main = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let cache = main.block_on(async {
            if is_alone {
                alone().await
            } else {
                on(server.url(), BOUND).await
            }
        });
        let table = Table::default();
        let (lock, floor) = (std::sync::RwLock::new(()), AtomicU64::new(0));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    main.block_on(within(&cache, async {
                        while !over.load(SeqCst) {
                            let putting = lock.read().unwrap();
                            let value = table.value();
                            // The value is put before the source changes again.
                            _ = futures::FutureExt::now_or_never(row(&table, 1).put(value));
                            drop(putting);
                            tokio::task::yield_now().await;
                        }
                    }));
                });
                scope.spawn(|| {
                    main.block_on(within(&cache, async {
                        while !over.load(SeqCst) {
                            let least = floor.load(SeqCst);
                            let value = row(&table, 1).await;
                            assert!(value >= least, "{value} < {least}");
                        }
                    }));
                });
            }
            scope.spawn(|| {
                main.block_on(async {
                    while !over.load(SeqCst) {
                        let value = {
                            let _changing = lock.write().unwrap();
                            table.change()
                        };
                        drop(cache.emit(RowChanged { id: 1 }).await);
                        floor.store(value, SeqCst);
                    }
                });
            });
            std::thread::sleep(ms(6_000));
            over.store(true, SeqCst);
        });
    }
}

// ---- on the way, where the runtime that built the cache stands still

fn on_a_runtime_that_stands_still(given_up: impl AsyncFnOnce(&Cache, &Table)) {
    let server = Server::start();
    let table = Table::default();
    let still = runtime();
    let here = still.block_on(on(server.url(), BOUND));
    let moving = runtime();
    moving.block_on(async {
        let there = on(format!("{}0", server.url()), BOUND).await;
        assert_eq!(within(&there, row(&table, 1)).await, 0);
        given_up(&here, &table).await;
        sleep(ms(9_000)).await;
        let read = explained(&there, row(&table, 1)).await;
        assert_eq!(read.value, 1, "{read}, {:?}", here.stats().events);
    });
}

/// `coherence.md`: dropped half way, the event is emitted all the same, and once more.
#[test]
fn the_event_of_a_caller_that_is_gone_is_sent_though_the_runtime_that_built_the_cache_stands_still()
{
    on_a_runtime_that_stands_still(async |here, table| {
        table.set(1);
        drop(timeout(ms(100), within(here, write_that_hangs(1))).await);
    });
}

/// `Cache::emit`: dropped after its first poll, it is on its way.
#[test]
fn an_event_that_nobody_waits_for_is_sent_though_the_runtime_that_built_the_cache_stands_still() {
    on_a_runtime_that_stands_still(async |here, table| {
        table.set(1);
        drop(timeout(ms(20), here.emit(RowChanged { id: 1 })).await);
    });
}

/// `Hold`: dropped without a word, it counts as a change that happened.
#[test]
fn a_hold_that_is_dropped_is_said_though_the_runtime_that_built_the_cache_stands_still() {
    on_a_runtime_that_stands_still(async |here, table| {
        table.set(1);
        drop(here.hold(RowChanged { id: 1 }));
    });
}

/// The control: it is waited for.
#[test]
fn an_event_that_is_waited_for_is_sent_though_the_runtime_that_built_the_cache_stands_still() {
    on_a_runtime_that_stands_still(async |here, table| {
        table.set(1);
        drop(here.emit(RowChanged { id: 1 }).await);
    });
}

// ---- herds and batches of values that name their events

#[derive(cache_core::Event)]
#[event(used_elsewhere)]
struct OtherChanged {
    id: u64,
}

#[cached(ttl = 1h, tiers = memory, skip(table, loads), invalidate_on = |row| RowChanged { id: row.id })]
async fn hot(table: Table, loads: Arc<AtomicU64>, id: u64) -> Noted {
    loads.fetch_add(1, SeqCst);
    let value = table.value();
    sleep(ms(300)).await;
    Noted { id, value }
}

/// Loads of a key that 2,000 wait for when one event concerns it, while so many others arrive.
async fn loads_behind_one_event(pause: Duration) -> u64 {
    let (cache, table, loads) = (alone().await, Table::default(), Arc::new(AtomicU64::new(0)));
    within(&cache, hot(table.clone(), Arc::clone(&loads), 9)).await;
    loads.store(0, SeqCst);
    let begin = || {
        let (table, loads) = (table.clone(), Arc::clone(&loads));
        spawn_in(&cache, async move { hot(table, loads, 1).await })
    };
    let first = begin();
    sleep(ms(50)).await;
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    let waiting: Vec<_> = (0..2_000).map(|_| begin()).collect();
    let over = Arc::new(AtomicBool::new(false));
    let emitting = std::thread::spawn({
        let (cache, over) = (cache.clone(), Arc::clone(&over));
        move || {
            let short = runtime();
            while !over.load(SeqCst) {
                short.block_on(cache.emit(OtherChanged { id: 1 })).unwrap();
                std::thread::sleep(pause);
            }
        }
    });
    drop(first.await);
    for call in waiting {
        assert_eq!(call.await.unwrap().value, 1);
    }
    over.store(true, SeqCst);
    emitting.join().unwrap();
    loads.load(SeqCst)
}

/// Of those who wait behind one event, one loads: the others wait for it, whatever else is emitted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_an_event_one_loads_while_others_arrive() {
    let mut seen = Vec::new();
    for pause in [ms(20), ms(1), Duration::from_micros(100), Duration::ZERO] {
        seen.push((pause, loads_behind_one_event(pause).await));
    }
    assert!(seen.iter().all(|(_, loads)| *loads <= 2), "{seen:?}");
}

#[cached(ttl = 1h, tiers = memory, skip(table), batch(id in ids), invalidate_on = |row| RowChanged { id: row.id })]
async fn batched(table: &Table, ids: &[u64]) -> std::collections::HashMap<u64, Noted> {
    let value = table.value();
    sleep(ms(150)).await;
    ids.iter()
        .map(|id| (*id, Noted { id: *id, value }))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_behind_an_event_has_none_from_before_it() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, batched(&table, &[99])).await;
    for round in 0..20_u64 {
        let ids: Vec<u64> = (round * 10..round * 10 + 6).collect();
        let begin = |ids: Vec<u64>| {
            let table = table.clone();
            spawn_in(&cache, async move { batched(&table, &ids).await })
        };
        let first = begin(ids.clone());
        sleep(ms(30)).await;
        let value = table.change();
        cache
            .emit(vec![RowChanged { id: ids[0] }, RowChanged { id: ids[3] }])
            .await
            .unwrap();
        let second = begin(ids.clone());
        let third = begin(vec![ids[3], 5_000 + round, ids[0], ids[1]]);
        let (second, third) = (
            timeout(ms(3_000), second).await,
            timeout(ms(3_000), third).await,
        );
        let (second, third) = (second.unwrap().unwrap(), third.unwrap().unwrap());
        for id in [ids[0], ids[3]] {
            assert_eq!(
                (second[&id].value, third[&id].value),
                (value, value),
                "{round} {id}"
            );
        }
        drop(first.await);
    }
}

#[cached(ttl = 1h, tiers = memory, skip(table), keep_if = |row| row.value > 0, invalidate_on = |row| RowChanged { id: row.id })]
async fn kept_if(table: &Table, id: u64) -> Noted {
    let value = table.value();
    sleep(ms(200)).await;
    Noted { id, value }
}

/// The value names its event, and is not kept.
#[tokio::test]
async fn who_calls_behind_an_event_is_not_given_a_value_from_before_it_that_is_not_kept() {
    let (cache, table) = (alone().await, Table::default());
    let begin = || {
        let table = table.clone();
        spawn_in(&cache, async move { kept_if(&table, 1).await.value })
    };
    let first = begin();
    sleep(ms(50)).await;
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    let second = begin();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (0, 1));
}

/// A load of which a part failed before the event: what inherits is not made of that either.
#[cached(ttl = 1h, tiers = memory, skip(table), inherits)]
async fn is_there(table: &Table, id: u64) -> bool {
    let found = find(table, id).await.is_ok();
    sleep(ms(200)).await;
    found
}

#[tokio::test]
async fn who_calls_behind_an_event_is_not_given_what_was_made_of_a_failure_before_it() {
    let (cache, table) = (alone().await, Table::default());
    let begin = || {
        let table = table.clone();
        spawn_in(&cache, async move { is_there(&table, 1).await })
    };
    let first = begin();
    sleep(ms(50)).await;
    table.set(1);
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    let second = begin();
    assert!(!first.await.unwrap());
    assert!(second.await.unwrap());
}

// ---- everything that joins provisionally, at once

static CHANCE: tests::Random = tests::Random::of_seed(5);

async fn unsteady(table: &Table) -> Option<u64> {
    match CHANCE.below(4) {
        0 => {}
        1 => tokio::task::yield_now().await,
        _ => sleep(ms(CHANCE.below(8) as u64)).await,
    }
    let value = table.value();
    if CHANCE.below(2) == 0 {
        sleep(ms(CHANCE.below(8) as u64)).await;
    }
    match CHANCE.below(10) {
        0 => None,
        _ => Some(value),
    }
}

/// Errors that waiters cannot share: they load for themselves.
#[derive(Debug)]
struct Own;

#[cached(ttl = 1h, tiers = memory, skip(table), max_concurrent_loads = 2, invalidate_on = |row| RowChanged { id: row.id })]
async fn own_error(table: &Table, id: u64) -> Result<Noted, Own> {
    let value = unsteady(table).await.ok_or(Own)?;
    Ok(Noted { id, value })
}

#[cached(ttl = 40ms, tiers = memory, skip(table), max_concurrent_loads = 3, soft_timeout = 3ms, strategy = [stale_while_revalidate(200ms), stale_if_error(1s)], invalidate_on = |row| RowChanged { id: row.id })]
async fn aged(table: Table, id: u64) -> Result<Noted, NotThere> {
    let value = unsteady(&table).await.ok_or(NotThere)?;
    Ok(Noted { id, value })
}

#[cached(ttl = 1h, tiers = memory, skip(table), inherits)]
async fn made(table: Table, id: u64) -> Result<u64, NotThere> {
    let one = own_error(&table, id).await.map_err(|_| NotThere)?.value;
    let two = aged(table.clone(), id).await?.value;
    Ok(one.min(two).min(unsteady(&table).await.ok_or(NotThere)?))
}

/// A load may be for keys of several callers: all have the same tables.
#[cached(ttl = 1h, tiers = memory, skip(tables), batch(id in ids), invalidate_on = |row| RowChanged { id: row.id })]
async fn in_batch(
    tables: &[Table],
    ids: &[u64],
) -> Result<std::collections::HashMap<u64, Noted>, NotThere> {
    let mut all = std::collections::HashMap::new();
    for id in ids {
        let value = tables[(id % 10) as usize].value();
        all.insert(*id, Noted { id: *id, value });
    }
    unsteady(&tables[0]).await.ok_or(NotThere)?;
    Ok(all)
}

#[test]
fn no_value_that_names_its_events_is_from_before_one_that_was_emitted_before_the_call() {
    let main = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let cache = main.block_on(alone());
    let tables: Arc<Vec<Table>> = Arc::new((0..3).map(|_| Table::default()).collect());
    let floors: Arc<Vec<AtomicU64>> = Arc::new((0..3).map(|_| AtomicU64::new(0)).collect());
    let (over, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    main.block_on(async {
        let mut running = Vec::new();
        for _ in 0..24 {
            let (tables, floors, over, calls) =
                (tables.clone(), floors.clone(), over.clone(), calls.clone());
            running.push(spawn_in(&cache, async move {
                while !over.load(SeqCst) {
                    let id = CHANCE.below(3) as u64;
                    let other = CHANCE.below(3) as u64;
                    let table = &tables[id as usize];
                    let floor = floors[id as usize].load(SeqCst);
                    let kind = CHANCE.below(6);
                    let call = async {
                        match kind {
                            0 | 1 => own_error(table, id).await.ok().map(|it| it.value),
                            2 => aged(table.clone(), id).await.ok().map(|it| it.value),
                            3 => made(table.clone(), id).await.ok(),
                            4 => {
                                _ = aged(table.clone(), id).prefetch().await;
                                made(table.clone(), id).await.ok()
                            }
                            _ => match in_batch(&tables, &[id, 10 + other, id + 20]).await {
                                Ok(all) => Some(all[&id].value),
                                Err(_) => None,
                            },
                        }
                    };
                    let limit = if CHANCE.below(4) == 0 {
                        ms(CHANCE.below(6) as u64)
                    } else {
                        ms(10_000)
                    };
                    match timeout(limit, call).await {
                        Ok(Some(value)) => {
                            assert!(value >= floor, "kind {kind}: {value} < {floor}")
                        }
                        Ok(None) => {}
                        Err(_) => assert!(limit < ms(10_000), "it hangs: {kind}"),
                    }
                    calls.fetch_add(1, SeqCst);
                }
            }));
        }
        for id in 0..3_u64 {
            let (tables, floors, over, cache) =
                (tables.clone(), floors.clone(), over.clone(), cache.clone());
            running.push(tokio::spawn(async move {
                while !over.load(SeqCst) {
                    let value = tables[id as usize].change();
                    cache.emit(RowChanged { id }).await.unwrap();
                    floors[id as usize].store(value, SeqCst);
                    if CHANCE.below(3) == 0 {
                        cache.emit(OtherChanged { id }).await.unwrap();
                    }
                    sleep(ms(CHANCE.below(12) as u64)).await;
                }
            }));
        }
        sleep(ms(25_000)).await;
        over.store(true, SeqCst);
        for task in running {
            timeout(ms(12_000), task).await.unwrap().unwrap();
        }
    });
    println!("{} calls", calls.load(SeqCst));
}

/// A change under way when its runtime ends is sent by the next one, and nothing panics.
#[test]
fn an_event_that_is_under_way_when_its_runtime_ends_is_sent_by_the_next() {
    let server = Server::start();
    let table = Table::default();
    let main = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let there = main.block_on(on(format!("{}0", server.url()), BOUND));
    let mut here = None;
    for round in 0..4_u64 {
        main.block_on(within(&there, row(&table, 1)));
        let short = runtime();
        let cache = short.block_on(async {
            let cache = match here.take() {
                Some(cache) => cache,
                None => on(server.url(), BOUND).await,
            };
            within(&cache, row(&table, 5 + round)).await;
            server.command(&["CLIENT", "PAUSE", "2500", "WRITE"]);
            table.change();
            let mut emit = Box::pin(cache.emit(RowChanged { id: 1 }));
            let is_under_way = futures::poll!(emit.as_mut()).is_pending();
            if is_under_way && round % 2 == 1 {
                drop(timeout(ms(60), &mut emit).await);
            }
            drop(emit);
            cache
        });
        drop(short);
        let next = runtime();
        next.block_on(async {
            assert_eq!(within(&cache, row(&table, 1)).await, table.value());
            sleep(ms(6_500)).await;
            assert_eq!(cache.stats().events.pending, 0, "{round}");
        });
        assert_eq!(main.block_on(within(&there, row(&table, 1))), table.value());
        here = Some(cache);
    }
}

/// Caches of one place that come and go on runtimes that end, while lines break: nothing hangs, and all is sent in the end.
#[test]
fn all_that_caches_emitted_which_came_and_went_is_sent_in_the_end() {
    tests::bounded(Duration::from_secs(90), || {
        let server = Server::start();
        let proxy = tests::proxy::Proxy::to(&server);
        let main = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let there = main.block_on(on(format!("{}0", server.url()), BOUND));
        let tables: Vec<Table> = (0..8).map(|_| Table::default()).collect();
        main.block_on(async {
            for (id, table) in (0..).zip(&tables) {
                within(&there, row(table, id)).await;
            }
        });
        let (over, built, refused) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !over.load(SeqCst) {
                        let short = runtime();
                        short.block_on(async {
                            let builder = Cache::builder().namespace("test").redis(proxy.url());
                            let building =
                                builder.staleness_bound(BOUND).redis_budget(ms(30)).build();
                            let Ok(cache) = building.await else {
                                refused.fetch_add(1, SeqCst);
                                return;
                            };
                            built.fetch_add(1, SeqCst);
                            for _ in 0..CHANCE.below(4) {
                                let id = CHANCE.below(8) as u64;
                                let value = tables[id as usize].change();
                                match CHANCE.below(4) {
                                    0 => _ = cache.emit(RowChanged { id }).await,
                                    1 => {
                                        _ = futures::poll!(std::pin::pin!(
                                            cache.emit(RowChanged { id })
                                        ))
                                    }
                                    2 => drop(cache.hold(RowChanged { id })),
                                    _ => {
                                        _ = timeout(ms(4), within(&cache, write_that_hangs(id)))
                                            .await
                                    }
                                }
                                let seen = within(&cache, row(&tables[id as usize], id)).await;
                                assert!(seen >= value, "own: {seen} < {value}");
                            }
                        });
                    }
                });
            }
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    std::thread::sleep(ms(CHANCE.below(500) as u64));
                    match CHANCE.below(3) {
                        0 => proxy.close_all(),
                        1 => {
                            proxy.refuse();
                            proxy.close_all();
                            std::thread::sleep(ms(CHANCE.below(400) as u64));
                            proxy.pass();
                        }
                        _ => _ = server.command(&["CLIENT", "PAUSE", "150", "WRITE"]),
                    }
                }
            });
            std::thread::sleep(ms(30_000));
            over.store(true, SeqCst);
        });
        proxy.pass();
        main.block_on(async {
            let here = on(proxy.url(), BOUND).await;
            until("all is told", || here.stats().events.pending == 0).await;
            // The second words too.
            sleep(ms(8_000)).await;
            for (id, table) in (0..).zip(&tables) {
                let read = explained(&there, row(table, id)).await;
                assert_eq!(read.value, table.value(), "{id} {read}");
            }
        });
        println!(
            "{} built, {} refused",
            built.load(SeqCst),
            refused.load(SeqCst)
        );
    });
}

/// `coherence.md`: what the own process changed is not served from the moment in which the change returned. As in
/// `hostile_servers.rs`, but for a crowd of other changes, of which the ledger remembers one of all.
#[tokio::test]
async fn what_a_process_changed_among_many_does_not_come_back_to_it_with_the_data_of_a_new_primary()
{
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
    let crowd: Vec<_> = (10..12_000).map(|id| RowChanged { id }).collect();
    _ = here.emit(crowd).await;
    until("all is told", || here.stats().events.pending == 0).await;
    let begin = Instant::now();
    replicates(&a, &b);
    is_synced(&a).await;
    let took = begin.elapsed();
    let read = explained(&here, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{took:?} {read}");
}

#[derive(Debug)]
struct Denied;

impl From<cache_core::Refused> for Denied {
    fn from(_: cache_core::Refused) -> Self {
        Self
    }
}

#[cache_core::invalidates(RowChanged { id }, guarded)]
async fn write_long(table: &Table, id: u64) -> Result<(), Denied> {
    sleep(Duration::from_secs(34)).await;
    table.change();
    sleep(ms(500)).await;
    Ok(())
}

/// A guarded mutation renews its mark for as long as it runs, though the runtime that built the cache stands still since.
#[test]
fn a_mark_is_renewed_though_the_runtime_that_built_the_cache_stands_still() {
    let server = Server::start();
    let table = Table::default();
    let still = runtime();
    let here = still.block_on(on(server.url(), BOUND));
    let moving = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let writing = {
        let table = table.clone();
        let _entered = moving.enter();
        spawn_in(&here, async move { write_long(&table, 1).await.is_ok() })
    };
    // It is driven until the mutation has begun.
    still.block_on(async { sleep(ms(2_000)).await });
    assert!(!writing.is_finished(), "it is not refused");
    moving.block_on(async {
        let is_marked = || {
            server
                .command(&["GET", "test:t:RowChanged:1"])
                .starts_with('!')
        };
        assert!(is_marked());
        sleep(Duration::from_secs(30)).await;
        assert!(
            is_marked(),
            "{:?}",
            server.command(&["GET", "test:t:RowChanged:1"])
        );
        assert!(writing.await.unwrap());
    });
}

/// The same, where it was changed longer ago than the ledger remembers.
#[tokio::test]
async fn what_a_process_changed_a_while_ago_does_not_come_back_to_it_with_the_data_of_a_new_primary()
 {
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
    // Nothing is loaded of it, and other things change.
    for id in 10..100 {
        sleep(ms(1_000)).await;
        within(&here, write(&Table::default(), id)).await;
    }
    assert_eq!(here.stats().events.pending, 0);
    replicates(&a, &b);
    is_synced(&a).await;
    let read = explained(&here, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}

/// A server that loads an older dump (`DEBUG RELOAD NOSAVE`) has the same history by its own account.
#[tokio::test]
async fn an_older_dump_that_a_server_loads_is_no_proof() {
    let server = Server::start();
    let (here, there) = (
        on(server.url(), BOUND).await,
        on(format!("{}0", server.url()), BOUND).await,
    );
    let table = Table::default();
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    filled(&there, "row").await;
    server.command(&["SAVE"]);
    hears(&there, within(&here, write(&table, 1))).await;
    sleep(BOUND).await;
    println!("{}", server.command(&["DEBUG", "RELOAD", "NOSAVE"]));
    sleep(BOUND).await;
    let own = explained(&here, row(&table, 1)).await;
    let read = explained(&there, row(&table, 1)).await;
    assert_eq!((own.value, read.value), (1, 1), "{own} {read}");
}

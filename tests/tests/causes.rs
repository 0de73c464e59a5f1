//! Why an entry was void, as `explain` tells it: which event, emitted by which function, in which process, when.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use cache_core::{
    Cache, CachedCall, Cause, Event, Miss, Source, cached, invalidates,
    testing::{FakeRedis, Fault, Operation},
};
use futures::future::join3;
use tests::{
    process,
    rows::{Denied, RowChanged, Table, alone, explained, hears, ms, on, row, within, write},
    server::Server,
    until,
};

/// Why memory does not have the row any more.
async fn cause(cache: &Cache, table: &Table) -> Option<Cause> {
    let explained = explained(cache, row(table, 1)).await;
    assert_eq!(explained.miss, Some(Miss::Invalidated), "{explained}");
    explained.cause
}

/// Two processes with the row in memory.
async fn both(table: &Table) -> (Cache, Cache) {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    for cache in [&here, &there] {
        within(cache, row(table, 1)).await;
        let kept = explained(cache, row(table, 1)).await;
        assert_eq!((kept.source, kept.cause), (Source::Memory, None));
    }
    (here, there)
}

/// The same of both, here and there.
fn is_of(causes: &[Cause; 2], functions: &[&str]) {
    let [own, foreign] = causes;
    for cause in causes {
        assert_eq!(cause.tag, "RowChanged:1");
        assert_eq!(cause.functions, functions);
        assert!(cause.ago < Duration::from_secs(10), "{cause}");
    }
    assert!(own.is_own && !foreign.is_own);
    assert_eq!(own.process, foreign.process);
    let number = std::process::id().to_string();
    let mut words = own.process.split(':');
    assert!(words.any(|word| word == number), "{own:?}");
}

/// Why the row is void in both, after a change here.
async fn causes(change: impl AsyncFnOnce(Cache)) -> [Cause; 2] {
    let table = Table::default();
    let (here, there) = both(&table).await;
    hears(&there, change(here.clone())).await;
    [
        cause(&here, &table).await.unwrap(),
        cause(&there, &table).await.unwrap(),
    ]
}

#[tokio::test]
async fn a_function_that_invalidates_is_named_in_its_process_and_in_others() {
    let table = Table::default();
    let causes = causes(async |here| within(&here, write(&table, 1)).await).await;
    is_of(&causes, &["tests::rows::write"]);
    let [own, foreign] = causes.map(|cause| cause.to_string());
    let said = "`RowChanged:1` was emitted by `tests::rows::write` in";
    assert!(own.starts_with(&format!("{said} this process ")), "{own}");
    assert!(
        foreign.starts_with(&format!("{said} process `")),
        "{foreign}"
    );
    assert!(
        foreign.ends_with("ms ago") || foreign.ends_with("ns ago"),
        "{foreign}"
    );
}

#[tokio::test]
async fn a_line_that_emits_or_holds_is_named() {
    let line = line!() + 1;
    let emitted = causes(async |here| here.emit(RowChanged { id: 1 }).await.unwrap()).await;
    is_of(&emitted, &[&format!("{}:{line}", file!())]);
    let held = causes(async |here| {
        let pending = here.hold(RowChanged { id: 1 });
        pending.release().await.unwrap();
    });
    let dropped = causes(async |here| drop(here.hold(RowChanged { id: 1 })));
    for causes in [held.await, dropped.await] {
        let line = causes[0].functions[0].clone();
        assert!(line.starts_with(&format!("{}:", file!())), "{line}");
        is_of(&causes, &[&line]);
    }
}

trait Renames<T> {
    async fn rename(&self);
}

struct Shop<T>(T);

impl<T> Renames<u8> for Shop<T> {
    #[invalidates(RowChanged { id: 1 })]
    async fn rename(&self) {}
}

impl<T> Shop<T> {
    #[invalidates(RowChanged { id: 1 })]
    async fn clear(&self) {}
}

#[async_trait::async_trait]
trait Sells {
    async fn sell(&self);
}

#[async_trait::async_trait]
impl Sells for Shop<u16> {
    #[invalidates(RowChanged { id: 1 })]
    async fn sell(&self) {}
}

#[tokio::test]
async fn a_method_is_named_with_its_type_and_trait() {
    let renamed = causes(async |here| within(&here, Shop(1_u16).rename()).await).await;
    is_of(
        &renamed,
        &["<causes::Shop<u16> as causes::Renames<u8>>::rename"],
    );
    let cleared = causes(async |here| within(&here, Shop("a").clear()).await).await;
    is_of(&cleared, &["causes::Shop<&str>::clear"]);
    let sold = causes(async |here| within(&here, Shop(1_u16).sell()).await).await;
    // Some compilers name the lifetimes that it is given too.
    let name = sold[0].functions[0].clone();
    assert!(
        name.starts_with("<causes::Shop<u16> as causes::Sells>::sell"),
        "{name}"
    );
    is_of(&sold, &[&name]);
}

#[invalidates(RowChanged { id }, guarded)]
async fn write_guarded(id: u64) -> Result<(), Denied> {
    Ok(())
}

#[tokio::test]
async fn a_guarded_function_is_named_by_its_mark_and_by_its_end() {
    let causes = causes(async |here| within(&here, write_guarded(1)).await.unwrap()).await;
    is_of(&causes, &["causes::write_guarded"]);
}

#[invalidates(RowChanged { id })]
async fn fail(id: u64) -> Result<(), ()> {
    Err(())
}

#[tokio::test]
async fn a_function_that_failed_is_named() {
    let causes = causes(async |here| within(&here, fail(1)).await.unwrap_err()).await;
    is_of(&causes, &["causes::fail"]);
}

#[invalidates(RowChanged { id })]
async fn erase(id: u64) {}

#[tokio::test]
async fn of_what_two_functions_emit_at_once_both_are_named() {
    let (redis, table) = (FakeRedis::new(), Table::default());
    let (here, there) = (process(&redis).await, process(&redis).await);
    within(&there, row(&table, 1)).await;
    // What is emitted while this is on its way goes as one.
    redis.inject(Operation::Write, Fault::Delay(ms(30)));
    let (write, erase) = (write(&table, 1), erase(2));
    join3(
        within(&here, self::erase(3)),
        within(&here, write),
        within(&here, erase),
    )
    .await;
    until("all is heard of", || there.stats().events.heard == 8).await;
    let cause = cause(&there, &table).await.unwrap();
    assert_eq!(cause.functions, ["tests::rows::write", "causes::erase"]);
    let said = "`RowChanged:1` was emitted by `tests::rows::write` or `causes::erase` in process `";
    assert!(cause.to_string().starts_with(said), "{cause}");
}

#[tokio::test]
async fn without_redis_it_is_this_process() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, row(&table, 1)).await;
    within(&cache, write(&table, 1)).await;
    let cause = cause(&cache, &table).await.unwrap();
    assert_eq!(cause.functions, ["tests::rows::write"]);
    assert!(cause.is_own && cause.process.ends_with(&std::process::id().to_string()));
}

#[tokio::test]
async fn what_is_changed_by_hand_has_no_cause() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, row(&table, 1)).await;
    within(&cache, row(&table, 1).evict()).await.unwrap();
    let evicted = explained(&cache, row(&table, 1)).await;
    assert_eq!((evicted.miss, evicted.cause), (Some(Miss::Absent), None));
}

#[derive(Event)]
struct Numbered {
    id: u64,
}

#[cached(ttl = 1h, invalidate_on = Numbered { id })]
async fn number(id: u64) -> u64 {
    id
}

#[invalidates(Numbered { id })]
async fn renumber(id: u64) {}

#[tokio::test]
async fn of_more_events_than_are_remembered_the_first_are_not_explained() {
    let cache = alone().await;
    for id in 0..5_000 {
        within(&cache, number(id)).await;
    }
    for id in 0..5_000 {
        within(&cache, renumber(id)).await;
    }
    let first = explained(&cache, number(0)).await;
    assert_eq!((first.miss, first.cause), (Some(Miss::Invalidated), None));
    let last = explained(&cache, number(4_999)).await;
    assert_eq!(last.cause.unwrap().tag, "Numbered:4999");
}

#[tokio::test]
async fn what_an_older_version_or_anybody_tells_is_heard_as_far_as_it_goes() {
    let (server, table) = (Server::start(), Table::default());
    let here = on(server.url(), Duration::from_secs(2)).await;
    let told = async |message: &str| {
        within(&here, row(&table, 1)).await;
        let publish = async || server.command(&["PUBLISH", "test:b", message]);
        hears(&here, publish()).await;
        cause(&here, &table).await
    };
    let old = told("RowChanged:1 5 0123456789abcdef -").await.unwrap();
    assert_eq!(
        (old.process.as_str(), old.functions.len()),
        ("0123456789abcdef", 0)
    );
    let said = old.to_string();
    assert!(
        said.starts_with("`RowChanged:1` was emitted in process `0123456789abcdef` "),
        "{said}"
    );
    let long = format!("RowChanged:1 5 there {}", "x".repeat(10_000));
    for message in [
        &long,
        "RowChanged:1 5 there \u{1b}[2J",
        "RowChanged:1 5 there |||||",
    ] {
        assert!(told(message).await.unwrap().functions.is_empty());
    }
    let nobody = told("RowChanged:1 5 \u{1b}[2J x").await;
    assert_eq!(nobody, None);
}

#[tokio::test]
async fn it_is_told_through_a_real_redis() {
    let (server, table) = (Server::start(), Table::default());
    let bound = Duration::from_secs(2);
    let here = on(server.url(), bound).await;
    let there = on(format!("unix://{}", server.socket().display()), bound).await;
    within(&there, row(&table, 1)).await;
    hears(&there, within(&here, Shop(1_u16).rename())).await;
    let foreign = cause(&there, &table).await.unwrap();
    assert_eq!(
        foreign.functions,
        ["<causes::Shop<u16> as causes::Renames<u8>>::rename"]
    );
    assert!(!foreign.is_own);
    within(&there, row(&table, 1)).await;
    within(&here, write_guarded(1)).await.unwrap();
    until("mark and end are heard of", || {
        there.stats().events.heard == 9
    })
    .await;
    let foreign = cause(&there, &table).await.unwrap();
    assert_eq!(foreign.functions, ["causes::write_guarded"]);
    // So many would have to be named with each.
    within(&there, row(&table, 1)).await;
    let many: Vec<_> = (0..100).map(|id| RowChanged { id }).collect();
    hears(&there, here.emit(many)).await.unwrap();
    let foreign = cause(&there, &table).await.unwrap();
    assert!(foreign.functions.is_empty(), "{foreign}");
}

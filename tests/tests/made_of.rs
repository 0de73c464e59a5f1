//! Values that are made of others, or whose events are known only once they are there: what is promised of them is what
//! is promised of all.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{future::Future, time::Duration};

use cache_core::{
    Cache, CachedCall, cached,
    testing::{FakeRedis, Fault, Operation},
};
use tests::{
    process,
    rows::{Noted, RowChanged, Table, alone, explained, ms, row, row_here, within, write},
    server::Server,
    spawn_in,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

async fn on(redis: &FakeRedis, bound: Duration) -> Cache {
    let builder = Cache::builder().fake_redis(redis).staleness_bound(bound);
    builder.build().await.unwrap()
}

const LONG: Duration = Duration::from_mins(1);

static GATE: Semaphore = Semaphore::const_new(0);

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |noted| RowChanged { id: noted.id })]
async fn slow_noted(table: &Table, id: u64) -> Noted {
    let value = table.value();
    GATE.acquire().await.unwrap().forget();
    Noted { id, value }
}

#[tokio::test]
async fn after_a_mutation_no_call_joins_a_load_that_only_its_value_says_it_made_void() {
    let (cache, table) = (alone().await, Table::default());
    let early = {
        let table = table.clone();
        spawn_in(&cache, async move { slow_noted(&table, 1).await.value })
    };
    sleep(ms(20)).await;
    within(&cache, write(&table, 1)).await;
    let late = {
        let table = table.clone();
        spawn_in(&cache, async move { slow_noted(&table, 1).await.value })
    };
    sleep(ms(20)).await;
    GATE.add_permits(2);
    assert_eq!(early.await.unwrap(), 0, "it called before");
    assert_eq!(
        late.await.unwrap(),
        1,
        "it called after the mutation had returned"
    );
}

static INHERITED_GATE: Semaphore = Semaphore::const_new(0);

#[cached(ttl = 1h, skip(table), inherits)]
async fn slow_page(table: &Table, id: u64) -> u64 {
    let value = row(table, id).await;
    INHERITED_GATE.acquire().await.unwrap().forget();
    value
}

#[tokio::test]
async fn after_a_mutation_no_call_joins_a_load_that_inherits_what_was_made_void() {
    let (cache, table) = (alone().await, Table::default());
    let call = || {
        let table = table.clone();
        spawn_in(&cache, async move { slow_page(&table, 1).await })
    };
    let early = call();
    sleep(ms(20)).await;
    within(&cache, write(&table, 1)).await;
    let late = call();
    sleep(ms(20)).await;
    INHERITED_GATE.add_permits(2);
    assert_eq!(early.await.unwrap(), 0, "it called before");
    assert_eq!(
        late.await.unwrap(),
        1,
        "it called after the mutation had returned"
    );
}

static INNER_GATE: Semaphore = Semaphore::const_new(0);

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |noted| RowChanged { id: noted.id })]
async fn inner_noted(table: &Table, id: u64) -> Noted {
    let value = table.value();
    INNER_GATE.acquire().await.unwrap().forget();
    Noted { id, value }
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn outer_of_noted(table: &Table, id: u64) -> u64 {
    inner_noted(table, id).await.value
}

#[tokio::test]
async fn what_is_made_of_an_overtaken_value_is_not_kept() {
    let (cache, table) = (alone().await, Table::default());
    INNER_GATE.add_permits(1);
    // Notes are taken from the first on.
    within(&cache, outer_of_noted(&table, 2)).await;
    let early = {
        let table = table.clone();
        spawn_in(&cache, async move { outer_of_noted(&table, 1).await })
    };
    sleep(ms(20)).await;
    within(&cache, write(&table, 1)).await;
    INNER_GATE.add_permits(10);
    assert_eq!(early.await.unwrap(), 0, "it called before");
    assert_eq!(within(&cache, outer_of_noted(&table, 1)).await, 1);
}

#[derive(Clone, Debug)]
struct MissingForAll;

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn existing_for_all(table: &Table, id: u64) -> Result<u64, MissingForAll> {
    Some(table.value())
        .filter(|value| *value > 0)
        .ok_or(MissingForAll)
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn shown_or_none_for_all(table: &Table, id: u64) -> String {
    existing_for_all(table, id)
        .await
        .map_or("none".into(), |value| value.to_string())
}

#[tokio::test]
async fn what_is_made_of_an_error_that_can_be_cloned_inherits_too() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(
        within(&cache, shown_or_none_for_all(&table, 1)).await,
        "none"
    );
    within(&cache, write(&table, 1)).await;
    assert_eq!(within(&cache, shown_or_none_for_all(&table, 1)).await, "1");
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn shown_peeked(table: &Table, id: u64) -> u64 {
    row(table, id).peek().await.unwrap_or(100)
}

#[tokio::test]
async fn what_is_made_of_a_peeked_value_inherits_its_events() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, row(&table, 1)).await;
    assert_eq!(within(&cache, shown_peeked(&table, 1)).await, 0);
    within(&cache, write(&table, 1)).await;
    within(&cache, row(&table, 1)).await;
    assert_eq!(within(&cache, shown_peeked(&table, 1)).await, 1);
}

#[derive(Debug)]
struct Missing;

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn existing(table: &Table, id: u64) -> Result<u64, Missing> {
    Some(table.value())
        .filter(|value| *value > 0)
        .ok_or(Missing)
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn shown_or_none(table: &Table, id: u64) -> String {
    existing(table, id)
        .await
        .map_or("none".into(), |value| value.to_string())
}

#[tokio::test]
async fn what_is_made_of_an_error_inherits_the_events_of_who_returned_it() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, shown_or_none(&table, 1)).await, "none");
    within(&cache, write(&table, 1)).await;
    assert_eq!(within(&cache, shown_or_none(&table, 1)).await, "1");
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn peeking(table: &Table, id: u64) -> u64 {
    match row(table, id).peek().await {
        Some(value) => value,
        None => row(table, id).await,
    }
}

/// One message is lost, and the process that missed it makes a value of what it has.
async fn made_of_old<C, F>(call: C)
where
    C: Fn(Table) -> F,
    F: Future<Output = u64>,
{
    let redis = FakeRedis::new();
    let (here, deaf) = (on(&redis, ms(2_000)).await, on(&redis, LONG).await);
    let table = Table::default();
    within(&deaf, row(&table, 1)).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    redis.inject_next(1, Operation::Message, Fault::Hang);
    within(&here, write(&table, 1)).await;
    within(&deaf, call(table.clone())).await;
    let _ = timeout(ms(300), redis.until(|redis| redis.keys().len() == 2)).await;
    assert_eq!(
        within(&here, call(table.clone())).await,
        1,
        "in the process whose mutation has returned"
    );
}

#[tokio::test]
async fn what_is_made_of_a_peeked_value_is_not_taken_for_newer_than_that() {
    made_of_old(|table| async move { peeking(&table, 1).await }).await;
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { .. })]
async fn report(table: &Table) -> u64 {
    row(table, 1).await
}

#[tokio::test]
async fn what_is_made_of_parts_is_not_taken_for_newer_than_those() {
    made_of_old(|table| async move { report(&table).await }).await;
}

#[tokio::test]
async fn what_is_too_old_for_a_load_is_no_hit_of_it() {
    let redis = FakeRedis::new();
    let (here, deaf) = (on(&redis, ms(2_000)).await, on(&redis, LONG).await);
    let table = Table::default();
    within(&deaf, row(&table, 1)).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    redis.inject_next(1, Operation::Message, Fault::Hang);
    within(&here, write(&table, 1)).await;
    assert_eq!(within(&deaf, report(&table)).await, 1);
    let stats = deaf.stats();
    let row = stats.function("row").unwrap();
    assert_eq!((row.hits, row.loads), (0, 2));
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { .. })]
async fn all(table: &Table) -> u64 {
    table.value()
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn place_among_all(table: &Table, id: u64) -> u64 {
    all(table).await
}

#[tokio::test]
async fn what_is_made_of_a_whole_is_not_taken_for_newer_than_that() {
    let redis = FakeRedis::new();
    let (here, deaf) = (on(&redis, ms(2_000)).await, on(&redis, LONG).await);
    let table = Table::default();
    within(&deaf, all(&table)).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    redis.inject_next(1, Operation::Message, Fault::Hang);
    within(&here, write(&table, 1)).await;
    within(&deaf, place_among_all(&table, 1)).await;
    let _ = timeout(ms(300), redis.until(|redis| redis.keys().len() == 2)).await;
    assert_eq!(within(&here, place_among_all(&table, 1)).await, 1);
}

/// The same without any fault: the message is on its way for 3 ms, as over a long line.
#[tokio::test]
async fn what_is_made_of_parts_while_a_message_is_on_its_way_is_not_taken_for_newer_than_those() {
    let redis = FakeRedis::new();
    let (here, there) = (on(&redis, ms(2_000)).await, on(&redis, ms(2_000)).await);
    let table = Table::default();
    within(&there, row(&table, 1)).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    redis.inject(Operation::Message, Fault::Delay(ms(3)));
    within(&here, write(&table, 1)).await;
    within(&there, report(&table)).await;
    sleep(ms(2_500)).await;
    let read = explained(&here, report(&table)).await;
    assert_eq!(
        read.value, 1,
        "2.5 s later, in the process that wrote: {read}"
    );
}

#[cached(ttl = 1h, skip(table), tiers = redis, invalidate_on = RowChanged { id })]
async fn far(table: &Table, id: u64) -> u64 {
    table.value()
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn made_of_far(table: &Table, id: u64) -> u64 {
    far(table, id).await
}

#[tokio::test]
async fn what_is_made_of_a_value_on_its_way_is_not_taken_for_newer_than_that() {
    let redis = FakeRedis::new();
    let (here, deaf) = (on(&redis, ms(2_000)).await, on(&redis, LONG).await);
    let table = Table::default();
    // The tags are made, and then the value takes its time.
    redis.inject_next(1, Operation::Write, Fault::Delay(Duration::ZERO));
    redis.inject_next(1, Operation::Write, Fault::Delay(ms(600)));
    within(&deaf, far(&table, 1)).await;
    redis.until(|redis| redis.writes() == 1).await;
    sleep(ms(20)).await;
    redis.inject_next(1, Operation::Message, Fault::Hang);
    within(&here, write(&table, 1)).await;
    within(&deaf, made_of_far(&table, 1)).await;
    let _ = timeout(ms(1_500), redis.until(|redis| redis.keys().len() == 2)).await;
    assert_eq!(within(&here, made_of_far(&table, 1)).await, 1);
}

static DEAF: std::sync::OnceLock<Cache> = std::sync::OnceLock::new();

#[cached(ttl = 1h, skip(table), cache = DEAF.get().unwrap(), invalidate_on = RowChanged { id })]
async fn deaf_row(table: &Table, id: u64) -> u64 {
    table.value()
}

#[cached(ttl = 1h, skip(table), cache = DEAF.get().unwrap(), tiers = memory, invalidate_on = |_| RowChanged { id: 1 })]
async fn deaf_noted(table: &Table, id: u64) -> u64 {
    deaf_row(table, id).await
}

/// Outside of a scope, where functions find their cache as most programs have it: installed, or named.
#[tokio::test]
async fn two_functions_on_one_another_do_not_double_the_bound() {
    let redis = FakeRedis::new();
    let here = on(&redis, LONG).await;
    DEAF.set(on(&redis, ms(1_000)).await).unwrap();
    let table = Table::default();
    // Notes are taken from the first on.
    deaf_noted(&table, 2).await;
    sleep(ms(50)).await;
    assert_eq!(deaf_row(&table, 1).await, 0);
    redis.inject(Operation::Message, Fault::Hang);
    within(&here, write(&table, 1)).await;
    let acknowledged = Instant::now();
    sleep(ms(600)).await;
    // Within the bound, but nobody could ask about it later: it asks about the row first.
    assert_eq!(deaf_noted(&table, 1).await, 1);
    sleep(ms(700)).await;
    let (served, late) = (deaf_noted(&table, 1).await, acknowledged.elapsed());
    assert_eq!(
        served, 1,
        "{late:?} after it was acknowledged, with a bound of 1 s"
    );
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn listed_of_here(table: &Table, id: u64) -> u64 {
    row_here(table, id).await
}

#[tokio::test]
async fn what_is_made_of_a_value_without_versions_has_none() {
    let redis = FakeRedis::new();
    let (here, there, table) = (
        process(&redis).await,
        process(&redis).await,
        Table::default(),
    );
    within(&there, row_here(&table, 1)).await;
    redis.inject(Operation::Message, Fault::Hang);
    within(&here, write(&table, 1)).await;
    // Within the bound the old value is good enough.
    within(&there, listed_of_here(&table, 1)).await;
    sleep(ms(500)).await;
    redis.recover();
    let elsewhere = explained(&process(&redis).await, listed_of_here(&table, 1)).await;
    assert_eq!(elsewhere.value, 1, "{elsewhere}");
    sleep(ms(2_500)).await;
    let read = explained(&there, listed_of_here(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}

#[cached(ttl = 1h, skip(table), keep_if = |_| false)]
async fn between(table: &Table, id: u64) -> u64 {
    row(table, id).await
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn listed_over_two(table: &Table, id: u64) -> u64 {
    between(table, id).await
}

#[tokio::test]
async fn what_is_too_old_for_the_outermost_load_is_no_hit_two_levels_down() {
    let redis = FakeRedis::new();
    let (here, there, table) = (
        process(&redis).await,
        process(&redis).await,
        Table::default(),
    );
    within(&there, row(&table, 1)).await;
    redis.inject(Operation::Message, Fault::Hang);
    within(&here, write(&table, 1)).await;
    within(&there, listed_over_two(&table, 1)).await;
    sleep(ms(300)).await;
    redis.recover();
    let elsewhere = explained(&process(&redis).await, listed_over_two(&table, 1)).await;
    assert_eq!(elsewhere.value, 1, "{elsewhere}");
    sleep(ms(2_500)).await;
    let read = explained(&there, listed_over_two(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn slow_row(table: &Table, id: u64) -> u64 {
    let value = table.value();
    sleep(ms(400)).await;
    value
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn listed_of_slow(table: &Table, id: u64) -> u64 {
    slow_row(table, id).await
}

#[tokio::test]
async fn what_a_flight_gave_that_began_before_a_load_was_stamped_is_no_part_of_it() {
    let redis = FakeRedis::new();
    let (here, there, table) = (
        process(&redis).await,
        process(&redis).await,
        Table::default(),
    );
    let early = {
        let table = table.clone();
        spawn_in(&there, async move { slow_row(&table, 1).await })
    };
    sleep(ms(100)).await;
    redis.inject(Operation::Message, Fault::Hang);
    within(&here, write(&table, 1)).await;
    within(&there, listed_of_slow(&table, 1)).await;
    assert_eq!(early.await.unwrap(), 0, "it called before");
    sleep(ms(300)).await;
    redis.recover();
    let read = explained(&process(&redis).await, listed_of_slow(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}

#[cached(ttl = 1h, skip(table), inherits, inline)]
async fn page_here(table: &Table, id: u64) -> u64 {
    row_there(table, id).await
}

tokio::task_local! {
    static THERE: Cache;
}

#[cached(ttl = 1h, skip(table), cache = THERE.get(), invalidate_on = RowChanged { id })]
async fn row_there(table: &Table, id: u64) -> u64 {
    table.value()
}

#[tokio::test]
async fn what_is_inherited_from_another_cache_is_believed_no_longer_than_there() {
    let redis = FakeRedis::new();
    let (other, there) = (on(&redis, ms(400)).await, on(&redis, ms(400)).await);
    let (here, table) = (alone().await, Table::default());
    THERE
        .scope(there.clone(), async {
            within(&here, page_here(&table, 1)).await;
            redis.inject(Operation::Message, Fault::Hang);
            within(&other, write(&table, 1)).await;
            sleep(ms(1_000)).await;
            assert_eq!(within(&here, row_there(&table, 1)).await, 1);
            assert_eq!(within(&here, page_here(&table, 1)).await, 1);
        })
        .await;
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn same_page(table: &Table, id: u64) -> u64 {
    row(table, id).await
}

/// No fault at all: two processes, one of which reads while the other writes.
async fn never_behind<F>(call: fn(Table) -> F)
where
    F: Future<Output = u64> + Send + 'static,
{
    let server = Server::start();
    let socket = format!("unix://{}", server.socket().display());
    let (here, there) = (cache(server.url()).await, cache(socket).await);
    let table = Table::default();
    let reader = {
        let (there, table) = (there.clone(), table.clone());
        tokio::spawn(Cache::scope(there, async move {
            loop {
                row(&table, 1).await;
                call(table.clone()).await;
                tokio::task::yield_now().await;
            }
        }))
    };
    for writes in 1..=2_000_u64 {
        Cache::scope(here.clone(), write(&table, 1)).await;
        sleep(Duration::from_millis(2)).await;
        if Cache::scope(here.clone(), call(table.clone())).await == writes {
            continue;
        }
        sleep(BOUND * 3).await;
        let read = Cache::scope(here.clone(), call(table.clone())).await;
        assert_eq!(
            read, writes,
            "1.2 s after write {writes}, in the process that wrote"
        );
    }
    reader.abort();
}

const BOUND: Duration = Duration::from_millis(400);

async fn cache(url: String) -> Cache {
    let builder = Cache::builder().namespace("test").redis(url);
    let builder = builder.staleness_bound(BOUND).require_redis();
    builder.build().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_made_of_parts_is_not_behind_for_longer_than_the_bound() {
    never_behind(|table| async move { report(&table).await }).await;
}

/// The same where both depend on the same: for comparison.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_made_of_one_is_not_behind_for_longer_than_the_bound() {
    never_behind(|table| async move { same_page(&table, 1).await }).await;
}

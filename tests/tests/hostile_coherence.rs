//! Attacks on what is promised of invalidation. Each test is named after the claim that it breaks.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use cache_core::{
    cached,
    testing::{FakeRedis, Fault, Operation},
};
use tests::{
    process,
    rows::{RowChanged, Table, alone, ms, within, write},
};
use tokio::time::sleep;

// Not `Clone`: only the caller whose load it was has it.
#[derive(Debug)]
struct Missing;

#[derive(Clone, Debug)]
struct MissingForAll;

#[cached(ttl = 1h, skip(table), settle = 400ms, invalidate_on = RowChanged { id })]
async fn lagging_own(table: &Table, id: u64) -> Result<u64, Missing> {
    Some(table.value())
        .filter(|value| *value > 0)
        .ok_or(Missing)
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn shown_own(table: &Table, id: u64) -> u64 {
    lagging_own(table, id).await.unwrap_or(0)
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn inherited_own(table: &Table, id: u64) -> u64 {
    lagging_own(table, id).await.unwrap_or(0)
}

#[cached(ttl = 1h, skip(table), settle = 400ms, invalidate_on = RowChanged { id })]
async fn lagging_shared(table: &Table, id: u64) -> Result<u64, MissingForAll> {
    Some(table.value())
        .filter(|value| *value > 0)
        .ok_or(MissingForAll)
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn shown_shared(table: &Table, id: u64) -> u64 {
    lagging_shared(table, id).await.unwrap_or(0)
}

#[tokio::test]
async fn what_is_made_of_a_shared_error_that_has_not_settled_is_kept_no_longer_than_that() {
    let (cache, table) = (alone().await, Table::default());
    let _ = within(&cache, lagging_shared(&table, 2)).await;
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    assert_eq!(within(&cache, shown_shared(&table, 1)).await, 0);
    table.set(1);
    sleep(ms(600)).await;
    assert_eq!(within(&cache, lagging_shared(&table, 1)).await.unwrap(), 1);
    assert_eq!(within(&cache, shown_shared(&table, 1)).await, 1);
}

#[tokio::test]
async fn what_is_made_of_an_own_error_that_has_not_settled_is_kept_no_longer_than_that() {
    let (cache, table) = (alone().await, Table::default());
    let _ = within(&cache, lagging_own(&table, 2)).await;
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    assert_eq!(within(&cache, shown_own(&table, 1)).await, 0);
    assert_eq!(within(&cache, inherited_own(&table, 1)).await, 0);
    table.set(1);
    sleep(ms(600)).await;
    assert_eq!(within(&cache, lagging_own(&table, 1)).await.unwrap(), 1);
    assert_eq!(
        (
            within(&cache, shown_own(&table, 1)).await,
            within(&cache, inherited_own(&table, 1)).await
        ),
        (1, 1)
    );
}

#[cached(ttl = 1h, skip(table), settle = 400ms, invalidate_on = RowChanged { id })]
async fn lagging(table: &Table, id: u64) -> u64 {
    table.value()
}

#[derive(Clone, Debug)]
struct Found {
    id: u64,
}

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |found| RowChanged { id: found.id })]
async fn by_name(table: &Table, id: u64) -> Option<Found> {
    (lagging(table, id).await > 0).then_some(Found { id })
}

#[tokio::test]
async fn a_none_that_is_made_of_what_has_not_settled_is_kept_no_longer_than_that() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, lagging(&table, 2)).await;
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    assert!(within(&cache, by_name(&table, 1)).await.is_none());
    table.set(1);
    sleep(ms(600)).await;
    assert_eq!(within(&cache, lagging(&table, 1)).await, 1);
    assert!(within(&cache, by_name(&table, 1)).await.is_some());
}

#[derive(Clone, Debug, Default)]
struct Source {
    table: Table,
    fails: Arc<AtomicBool>,
}

impl Source {
    fn load(&self) -> Result<u64, MissingForAll> {
        if self.fails.load(SeqCst) {
            Err(MissingForAll)
        } else {
            Ok(self.table.value())
        }
    }
}

#[cached(ttl = 1h, skip(source), strategy = stale_if_error(1h, unproven), invalidate_on = RowChanged { id })]
async fn unproven(source: &Source, id: u64) -> Result<u64, MissingForAll> {
    source.load()
}

#[cached(ttl = 1h, skip(source), invalidate_on = RowChanged { id })]
async fn made_of_unproven(source: &Source, id: u64) -> Result<u64, MissingForAll> {
    unproven(source, id).await
}

#[cached(ttl = 1h, skip(source), tiers = memory, invalidate_on = RowChanged { id })]
async fn made_of_unproven_here(source: &Source, id: u64) -> Result<u64, MissingForAll> {
    unproven(source, id).await
}

#[cached(ttl = 1h, skip(source), inherits)]
async fn inherits_unproven(source: &Source, id: u64) -> Result<u64, MissingForAll> {
    unproven(source, id).await
}

/// What was made of an unproven value, well after that is known to be void. `can_ask` is whether Redis could be asked when
/// it was made.
async fn made(can_ask: bool) -> [u64; 3] {
    let redis = FakeRedis::new();
    let (here, there, source) = (
        process(&redis).await,
        process(&redis).await,
        Source::default(),
    );
    assert_eq!(within(&there, unproven(&source, 1)).await.unwrap(), 0);
    // There nothing is heard for a moment, in which the row changes.
    redis.inject(Operation::Message, Fault::Fail);
    within(&here, write(&source.table, 1)).await;
    sleep(ms(50)).await;
    redis.recover();
    redis.disconnect();
    // Well after it hears again, the row cannot be loaded for a moment.
    sleep(ms(31_000)).await;
    source.fails.store(true, SeqCst);
    if !can_ask {
        redis.inject(Operation::Read, Fault::Fail);
    }
    let _ = within(&there, made_of_unproven(&source, 1)).await;
    let _ = within(&there, made_of_unproven_here(&source, 1)).await;
    let _ = within(&there, inherits_unproven(&source, 1)).await;
    source.fails.store(false, SeqCst);
    redis.recover();
    // Longer than the bound, and than what `unproven` stands in for.
    sleep(ms(11_000)).await;
    assert_eq!(within(&there, unproven(&source, 1)).await.unwrap(), 1);
    [
        within(&there, made_of_unproven(&source, 1)).await.unwrap(),
        within(&there, made_of_unproven_here(&source, 1))
            .await
            .unwrap(),
        within(&there, inherits_unproven(&source, 1)).await.unwrap(),
    ]
}

#[tokio::test]
async fn what_is_made_of_an_unproven_value_is_not_behind_for_longer_than_the_bound() {
    assert_eq!(made(false).await, [1, 1, 1]);
}

#[tokio::test]
async fn what_is_made_of_a_value_that_redis_says_is_void_is_not_behind_for_longer_than_the_bound() {
    assert_eq!(made(true).await, [1, 1, 1]);
}

#[tokio::test]
async fn what_redis_says_is_void_stands_in_for_nothing() {
    let redis = FakeRedis::new();
    let (here, there, source) = (
        process(&redis).await,
        process(&redis).await,
        Source::default(),
    );
    assert_eq!(within(&there, unproven(&source, 1)).await.unwrap(), 0);
    redis.inject(Operation::Message, Fault::Fail);
    within(&here, write(&source.table, 1)).await;
    sleep(ms(50)).await;
    redis.recover();
    redis.disconnect();
    sleep(ms(100)).await;
    source.fails.store(true, SeqCst);
    // Redis is there, and is asked: the row has changed.
    let read = within(&there, unproven(&source, 1)).await;
    assert!(read.is_err(), "{read:?}");
}

#[cached(ttl = 1h, skip(table), strategy = stale_if_invalidated(1h), invalidate_on = RowChanged { id })]
async fn lenient(table: &Table, id: u64) -> u64 {
    table.value()
}

#[cached(ttl = 1h, skip(table))]
async fn made_of_lenient(table: &Table, id: u64) -> u64 {
    lenient(table, id).await
}

#[tokio::test]
async fn what_is_void_is_no_part_of_what_another_load_makes_also_in_the_installed_cache() {
    let table = Table::default();
    assert_eq!(lenient(&table, 1).await, 0);
    write(&table, 1).await;
    assert_eq!(made_of_lenient(&table, 1).await, 1);
}

#[tokio::test]
async fn what_is_void_is_no_part_of_what_another_load_makes_in_a_scope() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, lenient(&table, 1)).await, 0);
    within(&cache, write(&table, 1)).await;
    assert_eq!(within(&cache, made_of_lenient(&table, 1)).await, 1);
}

/// Splits what is too much for it: a batch that calls itself, for keys that are being loaded.
#[cached(ttl = 1h, skip(table), batch(id in ids), inherits)]
async fn split(table: &Table, ids: &[u64]) -> std::collections::HashMap<u64, u64> {
    if ids.len() < 2 {
        return [(ids[0], tests::rows::row(table, ids[0]).await)].into();
    }
    let mut all = std::collections::HashMap::new();
    for id in ids {
        all.extend(halves(table.clone(), *id).await);
    }
    all
}

type Halves = std::pin::Pin<Box<dyn Future<Output = std::collections::HashMap<u64, u64>> + Send>>;

fn halves(table: Table, id: u64) -> Halves {
    Box::pin(async move { split(&table, &[id]).await })
}

#[tokio::test]
async fn a_batch_that_calls_itself_inherits_for_each_of_its_keys() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, split(&table, &[1, 2])).await.len(), 2);
    within(&cache, write(&table, 1)).await;
    within(&cache, write(&table, 2)).await;
    let first = within(&cache, split(&table, &[1])).await[&1];
    let second = within(&cache, split(&table, &[2])).await[&2];
    assert_eq!((first, second), (2, 2));
}

static DEPTH: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

#[cached(ttl = 1h, skip(table), batch(id in ids), invalidate_on = RowChanged { id })]
async fn twice(table: &Table, ids: &[u64]) -> std::collections::HashMap<u64, u64> {
    if DEPTH.fetch_add(1, SeqCst) < 2 {
        // Its last key, which is being loaded, once and again.
        let last = ids[ids.len() - 1];
        let _ = again(table.clone(), last).await;
    }
    ids.iter().map(|id| (*id, table.value())).collect()
}

fn again(table: Table, id: u64) -> Halves {
    Box::pin(async move { twice(&table, &[id]).await })
}

#[tokio::test]
async fn a_batch_that_calls_itself_twice_over_waits_in_no_circle() {
    let (cache, table) = (alone().await, Table::default());
    let call = within(&cache, twice(&table, &[1, 2]));
    let ended = tokio::time::timeout(ms(3_000), call).await;
    assert_eq!(ended.expect("it waits for itself").len(), 2);
}

/// Two pages whose parts are loaded in one go, in two steps, by a function that a configuration has turned off.
#[cached(ttl = 1h, skip(table), name = "steps", batch(id in ids), invalidate_on = RowChanged { id })]
async fn steps(table: &Table, ids: &[u64]) -> std::collections::HashMap<u64, u64> {
    let mut all = std::collections::HashMap::new();
    for id in ids {
        if *id < 10 {
            all.insert(*id, more(table.clone(), *id + 10).await[&(*id + 10)]);
        } else {
            all.insert(*id, tests::rows::row(table, *id + 100).await);
        }
    }
    all
}

fn more(table: Table, id: u64) -> Halves {
    Box::pin(async move { steps(&table, &[id]).await })
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_steps(table: &Table, id: u64) -> u64 {
    steps(table, &[id]).await[&id]
}

#[tokio::test]
async fn pages_inherit_what_a_batch_that_is_off_loads_for_them_in_one_go() {
    let policy: cache_core::Policy = {
        let mut policy = cache_core::Policy::default();
        policy.off = true;
        policy
    };
    let builder = cache_core::Cache::builder().policies([("steps".to_owned(), policy)]);
    let (cache, table) = (builder.build().await.unwrap(), Table::default());
    let both = async { tokio::join!(page_of_steps(&table, 1), page_of_steps(&table, 2)) };
    assert_eq!(within(&cache, both).await, (0, 0));
    // What is behind each page, two steps down.
    within(&cache, write(&table, 111)).await;
    within(&cache, write(&table, 112)).await;
    let both = async {
        (
            page_of_steps(&table, 1).await,
            page_of_steps(&table, 2).await,
        )
    };
    assert_eq!(within(&cache, both).await, (2, 2));
}

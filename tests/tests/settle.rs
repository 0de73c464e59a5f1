//! Sources that are read through replicas: what may miss the latest change is good until they have settled, and so is what
//! is made of it.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::future::Future;

use cache_core::{Cache, CachedCall, cached, testing::FakeRedis};
use tests::{
    process,
    rows::{RowChanged, Table, alone, ms, within},
    spawn_in,
};
use tokio::time::sleep;

#[cached(ttl = 1h, skip(table), settle = 400ms, invalidate_on = RowChanged { id })]
async fn lagging(table: &Table, id: u64) -> u64 {
    table.value()
}

#[cached(ttl = 1h, skip(table), settle = 300ms, invalidate_on = RowChanged { id })]
async fn slow_and_lagging(table: &Table, id: u64) -> u64 {
    let value = table.value();
    sleep(ms(400)).await;
    value
}

#[tokio::test]
async fn what_was_read_from_a_replica_before_it_settled_is_not_kept_for_longer() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, slow_and_lagging(&table, 2)).await;
    within(&cache, cache.emit(RowChanged { id: 1 }))
        .await
        .unwrap();
    let call = {
        let table = table.clone();
        spawn_in(&cache, async move { slow_and_lagging(&table, 1).await })
    };
    sleep(ms(200)).await;
    // The replica has caught up, well within the time to settle.
    table.set(1);
    assert_eq!(call.await.unwrap(), 0);
    sleep(ms(500)).await;
    assert_eq!(within(&cache, slow_and_lagging(&table, 1)).await, 1);
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn shown(table: &Table, id: u64) -> u64 {
    lagging(table, id).await
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn listed(table: &Table, id: u64) -> u64 {
    lagging(table, id).await
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn made_of_listed(table: &Table, id: u64) -> u64 {
    listed(table, id).await
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn shown_past_the_cache(table: &Table, id: u64) -> u64 {
    lagging(table, id).bypass().await.unwrap()
}

/// What calls give once the replica has settled, of which the first came before it had caught up.
async fn settled<C, F>(
    cache: &Cache,
    early: impl Future<Output = ()>,
    table: &Table,
    call: C,
) -> u64
where
    C: Fn(Table) -> F,
    F: Future<Output = u64>,
{
    // Notes are taken from the first on.
    within(cache, lagging(table, 2)).await;
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    early.await;
    assert_eq!(within(cache, call(table.clone())).await, 0);
    table.set(1);
    sleep(ms(600)).await;
    assert_eq!(within(cache, lagging(table, 1)).await, 1);
    within(cache, call(table.clone())).await
}

#[tokio::test]
async fn what_is_made_of_a_value_that_has_not_settled_is_kept_no_longer_than_that() {
    let (cache, table) = (alone().await, Table::default());
    let both = |table: Table| async move { shown(&table, 1).await + listed(&table, 1).await };
    assert_eq!(settled(&cache, async {}, &table, both).await, 2);
}

#[tokio::test]
async fn what_is_made_of_a_bypassed_value_that_has_not_settled_is_kept_no_longer_than_that() {
    let (cache, table) = (alone().await, Table::default());
    let call = |table: Table| async move { shown_past_the_cache(&table, 1).await };
    assert_eq!(settled(&cache, async {}, &table, call).await, 1);
}

#[tokio::test]
async fn what_is_made_of_a_value_of_another_process_that_has_not_settled_is_kept_no_longer_than_that()
 {
    let redis = FakeRedis::new();
    let (here, there, table) = (
        process(&redis).await,
        process(&redis).await,
        Table::default(),
    );
    // Of what changed before its first call a process knows nothing.
    within(&there, lagging(&table, 2)).await;
    let early = async {
        // It has heard of the event by then.
        sleep(ms(50)).await;
        within(&there, listed(&table, 1)).await;
        redis.until(|redis| redis.keys().len() == 2).await;
    };
    let call =
        |table: Table| async move { shown(&table, 1).await + made_of_listed(&table, 1).await };
    assert_eq!(settled(&here, early, &table, call).await, 2);
    let stats = here.stats();
    let hits = |name| stats.function(name).unwrap().redis_hits;
    assert_eq!((hits("settle::lagging"), hits("settle::listed")), (1, 1));
}

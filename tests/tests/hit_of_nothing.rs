//! What inherits, and is made of a value that named no event, is kept no longer than that (CHANGELOG): also where that was
//! in memory already, or another call loaded it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::HashMap;

use cache_core::{CachedCall, Event, cached};
use tests::{
    rows::{Noted, Table, alone, ms, within},
    spawn_in,
};
use tokio::time::sleep;

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    id: u64,
}

#[cached(ttl = 1h, none_ttl = 300ms, skip(table), tiers = memory, invalidate_on = |order| OrderChanged { id: order.id })]
async fn order(table: Table, id: u64) -> Option<Noted> {
    let value = table.value();
    sleep(ms(100)).await;
    (value > 0).then_some(Noted { id, value })
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page(table: Table, id: u64) -> u64 {
    order(table, id).await.map_or(0, |order| order.value)
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_peeked(table: Table, id: u64) -> u64 {
    let peeked = order(table.clone(), id).peek().await;
    let order = match peeked {
        Some(order) => order,
        None => order(table, id).await,
    };
    order.map_or(0, |order| order.value)
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_explained(table: Table, id: u64) -> u64 {
    let read = order(table, id).explain().await.unwrap();
    read.value.map_or(0, |order| order.value)
}

macro_rules! after_a_hit {
    ($page:ident) => {{
        let (cache, table) = (alone().await, Table::default());
        assert!(within(&cache, order(table.clone(), 1)).await.is_none());
        assert_eq!(within(&cache, $page(table.clone(), 1)).await, 0);
        table.set(1);
        cache.emit(OrderChanged { id: 1 }).await.unwrap();
        sleep(ms(2_500)).await;
        let own = within(&cache, order(table.clone(), 1)).await;
        (
            own.map(|it| it.value),
            within(&cache, $page(table, 1)).await,
        )
    }};
}

#[tokio::test]
async fn a_page_of_nothing_that_was_in_memory_lives_no_longer() {
    assert_eq!(after_a_hit!(page), (Some(1), 1));
}

#[tokio::test]
async fn a_page_of_nothing_that_was_peeked_lives_no_longer() {
    assert_eq!(after_a_hit!(page_of_peeked), (Some(1), 1));
}

#[tokio::test]
async fn a_page_of_nothing_that_was_explained_lives_no_longer() {
    assert_eq!(after_a_hit!(page_of_explained), (Some(1), 1));
}

#[tokio::test]
async fn a_page_of_nothing_that_another_call_loads_lives_no_longer() {
    let (cache, table) = (alone().await, Table::default());
    let first = spawn_in(&cache, order(table.clone(), 1));
    sleep(ms(30)).await;
    assert_eq!(within(&cache, page(table.clone(), 1)).await, 0);
    assert!(first.await.unwrap().is_none());
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    sleep(ms(2_500)).await;
    assert_eq!(within(&cache, page(table, 1)).await, 1);
}

/// A kept error.
#[derive(Clone, Debug)]
struct Missing;

#[cached(ttl = 1h, err_ttl = 300ms, skip(table), tiers = memory, invalidate_on = |order| OrderChanged { id: order.id })]
async fn order_or_error(table: Table, id: u64) -> Result<Noted, Missing> {
    let value = table.value();
    (value > 0).then_some(Noted { id, value }).ok_or(Missing)
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_error(table: Table, id: u64) -> u64 {
    order_or_error(table, id)
        .await
        .map_or(0, |order| order.value)
}

#[tokio::test]
async fn a_page_of_a_kept_error_lives_no_longer() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, order_or_error(table.clone(), 1))
        .await
        .unwrap_err();
    assert_eq!(within(&cache, page_of_error(table.clone(), 1)).await, 0);
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    sleep(ms(2_500)).await;
    assert_eq!(within(&cache, page_of_error(table, 1)).await, 1);
}

/// What a batch left out.
#[cached(ttl = 1h, none_ttl = 300ms, tiers = memory, batch(id in ids), key = id, invalidate_on = |order| OrderChanged { id: order.id })]
async fn orders(table: &Table, ids: &[u64]) -> HashMap<u64, Noted> {
    let value = table.value();
    let found = |id: &u64| (value > 0).then_some((*id, Noted { id: *id, value }));
    ids.iter().filter_map(found).collect()
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_batch(table: &Table, id: u64) -> u64 {
    let found = orders(table, &[id]).await;
    found.get(&id).map_or(0, |order| order.value)
}

#[tokio::test]
async fn control_what_a_batch_leaves_out_where_the_page_loads_it() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, page_of_batch(&table, 1)).await, 0);
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    sleep(ms(1_000)).await;
    assert_eq!(within(&cache, page_of_batch(&table, 1)).await, 1);
}

#[tokio::test]
async fn a_page_of_what_a_batch_left_out_lives_no_longer() {
    let (cache, table) = (alone().await, Table::default());
    assert!(within(&cache, orders(&table, &[1])).await.is_empty());
    assert_eq!(within(&cache, page_of_batch(&table, 1)).await, 0);
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    sleep(ms(2_500)).await;
    assert_eq!(within(&cache, page_of_batch(&table, 1)).await, 1);
}

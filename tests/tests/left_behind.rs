//! What is made of a call that was late, given up, or found nothing.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use cache_core::{CachedCall, Event, TimedOut, cached};
use tests::rows::{Noted, alone, ms, within};
use tokio::time::{sleep, timeout};

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    id: u64,
}

#[derive(Clone, Debug)]
struct Late;

impl From<TimedOut> for Late {
    fn from(_: TimedOut) -> Self {
        Self
    }
}

#[derive(Clone, Default)]
struct SlowTable {
    value: Arc<AtomicU64>,
    is_slow: Arc<AtomicBool>,
}

#[cached(ttl = 1h, timeout = 100ms, skip(table), tiers = memory, invalidate_on = |order| OrderChanged { id: order.id })]
async fn slow_order(table: SlowTable, id: u64) -> Result<Noted, Late> {
    let value = table.value.load(SeqCst);
    if table.is_slow.load(SeqCst) {
        sleep(ms(400)).await;
    }
    Ok(Noted { id, value })
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_slow(table: SlowTable, id: u64) -> u64 {
    slow_order(table.clone(), id)
        .await
        .map_or(100, |order| order.value)
}

/// `guide::coherence`: an error that names no event lives for its `err_ttl`, "and what other cached functions with events make of
/// them no longer". The same test is green where the error is not `Clone` (`made_of_nothing`).
#[tokio::test]
async fn a_page_of_an_order_that_was_late_is_not_kept_though_its_error_can_be_shared() {
    let (cache, table) = (alone().await, SlowTable::default());
    table.is_slow.store(true, SeqCst);
    assert_eq!(within(&cache, page_of_slow(table.clone(), 1)).await, 100);
    table.is_slow.store(false, SeqCst);
    sleep(ms(1_000)).await;
    table.value.store(1, SeqCst);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    let own = within(&cache, slow_order(table.clone(), 1)).await;
    assert_eq!(own.unwrap().value, 1);
    assert_eq!(within(&cache, page_of_slow(table.clone(), 1)).await, 1);
}

#[cached(ttl = 1h, none_ttl = 1s, timeout = 100ms, skip(table), tiers = memory, batch(id in ids), invalidate_on = |order| OrderChanged { id: order.id })]
async fn slow_orders(table: SlowTable, ids: Vec<u64>) -> Result<HashMap<u64, Noted>, Late> {
    let value = table.value.load(SeqCst);
    if table.is_slow.load(SeqCst) {
        sleep(ms(400)).await;
    }
    Ok(ids
        .into_iter()
        .map(|id| (id, Noted { id, value }))
        .collect())
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_slow_batch(table: SlowTable, id: u64) -> u64 {
    let orders = slow_orders(table.clone(), vec![id]).await;
    orders.map_or(100, |orders| orders[&id].value)
}

/// The errors of batches have to be `Clone`.
#[tokio::test]
async fn a_page_of_a_batch_that_was_late_is_not_kept() {
    let (cache, table) = (alone().await, SlowTable::default());
    table.is_slow.store(true, SeqCst);
    assert_eq!(
        within(&cache, page_of_slow_batch(table.clone(), 1)).await,
        100
    );
    table.is_slow.store(false, SeqCst);
    sleep(ms(1_000)).await;
    table.value.store(1, SeqCst);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    assert_eq!(
        within(&cache, page_of_slow_batch(table.clone(), 1)).await,
        1
    );
}

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |order| OrderChanged { id: order.id })]
async fn order(table: SlowTable, id: u64) -> Noted {
    let value = table.value.load(SeqCst);
    if table.is_slow.load(SeqCst) {
        sleep(ms(400)).await;
    }
    Noted { id, value }
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_given_up(table: SlowTable, id: u64) -> u64 {
    timeout(ms(100), order(table.clone(), id))
        .await
        .map_or(100, |order| order.value)
}

#[tokio::test]
async fn a_page_of_an_order_that_was_given_up_is_void_after_the_event() {
    let (cache, table) = (alone().await, SlowTable::default());
    table.is_slow.store(true, SeqCst);
    assert_eq!(
        within(&cache, page_of_given_up(table.clone(), 1)).await,
        100
    );
    table.is_slow.store(false, SeqCst);
    sleep(ms(1_000)).await;
    table.value.store(1, SeqCst);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    assert_eq!(within(&cache, page_of_given_up(table.clone(), 1)).await, 1);
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_peeked(table: SlowTable, id: u64) -> u64 {
    order(table.clone(), id)
        .peek()
        .await
        .map_or(100, |order| order.value)
}

#[tokio::test]
async fn a_page_of_a_peek_that_found_nothing_is_void_after_the_event() {
    let (cache, table) = (alone().await, SlowTable::default());
    assert_eq!(within(&cache, page_of_peeked(table.clone(), 1)).await, 100);
    table.value.store(1, SeqCst);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    within(&cache, order(table.clone(), 1)).await;
    assert_eq!(within(&cache, page_of_peeked(table.clone(), 1)).await, 1);
}

/// What it inherits is known only behind its load.
#[cached(ttl = 1h, timeout = 100ms, skip(table), inherits, invalidate_on = OrderChanged { id: 99 })]
async fn slow_shelf(table: SlowTable, id: u64) -> Result<u64, Late> {
    if table.is_slow.load(SeqCst) {
        sleep(ms(400)).await;
    }
    Ok(order(table, id).await.value)
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_shelf(table: SlowTable, id: u64) -> u64 {
    slow_shelf(table.clone(), id).await.unwrap_or(100)
}

#[tokio::test]
async fn a_page_of_a_shelf_that_was_late_is_not_kept_though_the_shelf_lists_an_event() {
    let (cache, table) = (alone().await, SlowTable::default());
    table.is_slow.store(true, SeqCst);
    assert_eq!(within(&cache, page_of_shelf(table.clone(), 1)).await, 100);
    table.is_slow.store(false, SeqCst);
    sleep(ms(1_000)).await;
    assert_eq!(within(&cache, page_of_shelf(table.clone(), 1)).await, 0);
}

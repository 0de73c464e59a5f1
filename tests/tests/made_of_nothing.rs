//! What is made of a value that named no event because there was nothing to name: the guide gives such values their
//! `none_ttl` or `err_ttl`, and CHANGELOG says "what inherits its events, and is made of what names none, is kept no longer
//! than that".
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use cache_core::{Cache, CachedCall, Event, TimedOut, cached};
use std::collections::HashMap;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};
use tests::{
    rows::{Noted, Table, alone, explained, ms, on, within},
    server::Server,
    spawn_in,
};
use tokio::time::sleep;

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    id: u64,
}

#[derive(Event)]
#[event(used_elsewhere)]
struct ShopChanged;

/// Only the value tells which order it is. There is none as long as the table says 0.
#[cached(ttl = 1h, none_ttl = 300ms, skip(table), tiers = memory, invalidate_on = |order| OrderChanged { id: order.id })]
async fn order(table: &Table, id: u64) -> Option<Noted> {
    let value = table.value();
    (value > 0).then_some(Noted { id, value })
}

/// The same, and an event that the arguments name.
#[cached(ttl = 1h, none_ttl = 300ms, skip(table), tiers = memory, invalidate_on = [ShopChanged, |order| OrderChanged { id: order.id }])]
async fn order_of_shop(table: &Table, id: u64) -> Option<Noted> {
    let value = table.value();
    (value > 0).then_some(Noted { id, value })
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page(table: &Table, id: u64) -> u64 {
    order(table, id).await.map_or(0, |order| order.value)
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_shop(table: &Table, id: u64) -> u64 {
    order_of_shop(table, id)
        .await
        .map_or(0, |order| order.value)
}

#[tokio::test]
async fn control_a_page_of_nothing_is_kept_no_longer_than_the_nothing() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, page(&table, 1)).await, 0);
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    sleep(ms(500)).await;
    assert_eq!(within(&cache, page(&table, 1)).await, 1);
}

/// It has a guard, of the event that the arguments name: that it named none by its value is to be seen all the same.
#[tokio::test]
async fn a_page_of_nothing_that_has_another_event_is_kept_no_longer_than_the_nothing() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, page_of_shop(&table, 1)).await, 0);
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    sleep(ms(1_500)).await;
    assert_eq!(
        within(&cache, order_of_shop(&table, 1))
            .await
            .unwrap()
            .value,
        1,
        "the nothing itself is gone"
    );
    assert_eq!(within(&cache, page_of_shop(&table, 1)).await, 1);
}

#[derive(Debug)]
struct Missing;

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |order| OrderChanged { id: order.id })]
async fn order_or_error(table: &Table, id: u64) -> Result<Noted, Missing> {
    let value = table.value();
    (value > 0).then_some(Noted { id, value }).ok_or(Missing)
}

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = [ShopChanged, |order| OrderChanged { id: order.id }])]
async fn order_of_shop_or_error(table: &Table, id: u64) -> Result<Noted, Missing> {
    let value = table.value();
    (value > 0).then_some(Noted { id, value }).ok_or(Missing)
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_error(table: &Table, id: u64) -> u64 {
    order_or_error(table, id)
        .await
        .map_or(0, |order| order.value)
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_shop_error(table: &Table, id: u64) -> u64 {
    order_of_shop_or_error(table, id)
        .await
        .map_or(0, |order| order.value)
}

#[tokio::test]
async fn control_a_page_of_an_error_that_is_not_kept_is_not_kept() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, page_of_error(&table, 1)).await, 0);
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    assert_eq!(within(&cache, page_of_error(&table, 1)).await, 1);
}

#[tokio::test]
async fn a_page_of_an_error_that_has_another_event_is_not_kept() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, page_of_shop_error(&table, 1)).await, 0);
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    sleep(ms(500)).await;
    assert_eq!(within(&cache, page_of_shop_error(&table, 1)).await, 1);
}

/// Its guard is inherited, not listed.
#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = ShopChanged)]
async fn shop(table: &Table) -> u64 {
    let _ = table;
    7
}

#[cached(ttl = 1h, none_ttl = 300ms, skip(table), tiers = memory, inherits, invalidate_on = |order| OrderChanged { id: order.id })]
async fn order_that_inherits(table: &Table, id: u64) -> Option<Noted> {
    shop(table).await;
    let value = table.value();
    (value > 0).then_some(Noted { id, value })
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_inheriting(table: &Table, id: u64) -> u64 {
    order_that_inherits(table, id)
        .await
        .map_or(0, |order| order.value)
}

#[tokio::test]
async fn a_page_of_nothing_that_inherits_is_kept_no_longer_than_the_nothing() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, page_of_inheriting(&table, 1)).await, 0);
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    sleep(ms(1_500)).await;
    assert_eq!(
        within(&cache, order_that_inherits(&table, 1))
            .await
            .unwrap()
            .value,
        1
    );
    assert_eq!(within(&cache, page_of_inheriting(&table, 1)).await, 1);
}

/// Too late, which is an error that names nothing.
#[derive(Debug)]
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
    fails: Arc<AtomicBool>,
}

#[cached(ttl = 1h, timeout = 100ms, skip(table), tiers = memory, invalidate_on = |order| OrderChanged { id: order.id })]
async fn slow_order(table: SlowTable, id: u64) -> Result<Noted, Late> {
    let value = table.value.load(SeqCst);
    if table.fails.load(SeqCst) {
        return Err(Late);
    }
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

#[tokio::test]
async fn control_a_page_of_a_failed_order_is_not_kept() {
    let (cache, table) = (alone().await, SlowTable::default());
    table.fails.store(true, SeqCst);
    assert_eq!(within(&cache, page_of_slow(table.clone(), 1)).await, 100);
    table.fails.store(false, SeqCst);
    table.value.store(1, SeqCst);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    assert_eq!(within(&cache, page_of_slow(table.clone(), 1)).await, 1);
}

#[tokio::test]
async fn a_page_of_an_order_that_was_late_is_not_kept() {
    let (cache, table) = (alone().await, SlowTable::default());
    table.is_slow.store(true, SeqCst);
    assert_eq!(within(&cache, page_of_slow(table.clone(), 1)).await, 100);
    table.is_slow.store(false, SeqCst);
    sleep(ms(1_000)).await;
    table.value.store(1, SeqCst);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    assert_eq!(
        within(&cache, slow_order(table.clone(), 1))
            .await
            .unwrap()
            .value,
        1
    );
    assert_eq!(within(&cache, page_of_slow(table.clone(), 1)).await, 1);
}

/// who calls behind an event is not answered by a load from before it that found nothing. (An error that is not kept: a
/// `None` lives for its `none_ttl` whatever happens.)
#[derive(Clone, Debug)]
struct Gone;

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |order| OrderChanged { id: order.id })]
async fn slowly(table: Table, id: u64) -> Result<Noted, Gone> {
    let value = table.value();
    sleep(ms(300)).await;
    (value > 0).then_some(Noted { id, value }).ok_or(Gone)
}

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = [ShopChanged, |order| OrderChanged { id: order.id }])]
async fn slowly_of_shop(table: Table, id: u64) -> Result<Noted, Gone> {
    let value = table.value();
    sleep(ms(300)).await;
    (value > 0).then_some(Noted { id, value }).ok_or(Gone)
}

macro_rules! behind {
    ($function:ident) => {{
        let (cache, table) = (alone().await, Table::default());
        let first = spawn_in(&cache, $function(table.clone(), 1));
        sleep(ms(50)).await;
        table.set(1);
        cache.emit(OrderChanged { id: 1 }).await.unwrap();
        let second = spawn_in(&cache, $function(table.clone(), 1));
        assert!(first.await.unwrap().is_err());
        second.await.unwrap().ok().map(|order| order.value)
    }};
}

#[tokio::test]
async fn control_who_calls_behind_an_event_does_not_get_an_error_from_before_it() {
    assert_eq!(behind!(slowly), Some(1));
}

#[tokio::test]
async fn who_calls_behind_an_event_does_not_get_an_error_from_before_it() {
    assert_eq!(behind!(slowly_of_shop), Some(1));
}

/// A page that names its event itself, and asks for an order whose value names it.
#[cached(ttl = 1h, skip(table), invalidate_on = OrderChanged { id })]
async fn page_with_its_event(table: &Table, id: u64) -> u64 {
    order(table, id).await.map_or(0, |order| order.value)
}

#[tokio::test]
async fn a_page_that_names_its_event_is_not_behind_for_longer_than_the_nothing_it_is_made_of() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, page_with_its_event(&table, 1)).await, 0);
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    // Loads anew: of the nothing, which is kept for 300 ms whatever happens.
    within(&cache, page_with_its_event(&table, 1)).await;
    sleep(ms(2_500)).await;
    assert_eq!(within(&cache, order(&table, 1)).await.unwrap().value, 1);
    assert_eq!(within(&cache, page_with_its_event(&table, 1)).await, 1);
}

#[tokio::test]
async fn nor_is_it_behind_in_another_process() {
    let (server, table) = (Server::start(), Table::default());
    let (here, there) = (
        on(server.url(), ms(2_000)).await,
        on(server.other_url(), ms(2_000)).await,
    );
    assert_eq!(within(&here, page_with_its_event(&table, 1)).await, 0);
    table.set(1);
    here.emit(OrderChanged { id: 1 }).await.unwrap();
    within(&here, page_with_its_event(&table, 1)).await;
    sleep(ms(2_500)).await;
    let read = explained(&there, page_with_its_event(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}

/// A batch that leaves the key out.
#[cached(ttl = 1h, none_ttl = 300ms, tiers = memory, batch(id in ids), key = id, invalidate_on = |order| OrderChanged { id: order.id })]
async fn orders(table: &Table, ids: &[u64]) -> HashMap<u64, Noted> {
    let value = table.value();
    let found = |id: &u64| (value > 0).then_some((*id, Noted { id: *id, value }));
    ids.iter().filter_map(found).collect()
}

#[cached(ttl = 1h, skip(table), invalidate_on = OrderChanged { id })]
async fn page_of_batch(table: &Table, id: u64) -> u64 {
    let found = orders(table, &[id]).await;
    found.get(&id).map_or(0, |order| order.value)
}

#[tokio::test]
async fn nor_is_it_behind_where_a_batch_left_it_out() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, page_of_batch(&table, 1)).await, 0);
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    within(&cache, page_of_batch(&table, 1)).await;
    sleep(ms(2_500)).await;
    assert_eq!(within(&cache, page_of_batch(&table, 1)).await, 1);
}

/// How it is where the page asks the source itself.
#[cached(ttl = 1h, skip(table), invalidate_on = OrderChanged { id })]
async fn page_by_itself(table: &Table, id: u64) -> u64 {
    order(table, id)
        .bypass()
        .await
        .unwrap()
        .map_or(0, |order| order.value)
}

#[tokio::test]
async fn control_a_page_that_bypasses_is_new() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, page_by_itself(&table, 1)).await, 0);
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    assert_eq!(within(&cache, page_by_itself(&table, 1)).await, 1);
}

#[allow(dead_code)]
fn _unused(_: Cache) {}

/// It may be served stale, and names nothing: whether it is old or void nobody knows.
#[cached(ttl = 1h, none_ttl = 300ms, tiers = memory, skip(table), strategy = stale_while_revalidate(10s), invalidate_on = |order| OrderChanged { id: order.id })]
async fn order_with_grace(table: Table, id: u64) -> Option<Noted> {
    let value = table.value();
    (value > 0).then_some(Noted { id, value })
}

#[tokio::test]
async fn a_none_lives_for_its_none_ttl_whatever_its_function_does_with_old_values() {
    let (cache, table) = (alone().await, Table::default());
    let read = async || within(&cache, order_with_grace(table.clone(), 1)).await;
    assert!(read().await.is_none());
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    sleep(ms(1_000)).await;
    assert!(read().await.is_some());
}

#[tokio::test]
async fn what_is_made_of_a_nothing_that_was_put_lives_no_longer() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, order(&table, 1).put(None)).await.unwrap();
    assert_eq!(within(&cache, page(&table, 1)).await, 0);
    assert_eq!(within(&cache, page_with_its_event(&table, 1)).await, 0);
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    within(&cache, page_with_its_event(&table, 1)).await;
    sleep(ms(1_000)).await;
    assert_eq!(within(&cache, page(&table, 1)).await, 1);
    assert_eq!(within(&cache, page_with_its_event(&table, 1)).await, 1);
}

/// Made of whether it is in memory.
#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_peek(table: &Table, id: u64) -> Option<u64> {
    page_with_its_event(table, id).peek().await
}

#[tokio::test]
async fn what_is_made_of_a_peek_that_found_nothing_lives_until_an_event_of_that() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, page_of_peek(&table, 1)).await, None);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    within(&cache, page_with_its_event(&table, 1)).await;
    assert_eq!(within(&cache, page_of_peek(&table, 1)).await, Some(0));
}

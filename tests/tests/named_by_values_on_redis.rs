//! A function whose value names events has, by the guide, its entries in memory only: "what it depends on is known only
//! behind its load, so nobody could compare versions before it".
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use cache_core::{Event, Source, cached};
use serde::{Deserialize, Serialize};
use tests::{
    rows::{Table, explained, filled, ms, on, within},
    server::Server,
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    value: u64,
}

/// One event that the arguments name, and one that the value names.
#[cached(ttl = 1h, skip(table), invalidate_on = [ShopChanged, |order| OrderChanged { id: order.id }])]
async fn order_of_shop(table: &Table, id: u64) -> Order {
    Order {
        id,
        value: table.value(),
    }
}

#[tokio::test]
async fn an_event_that_a_value_names_is_seen_by_the_process_that_emitted_it() {
    let (server, table) = (Server::start(), Table::default());
    let cache = on(server.url(), ms(2_000)).await;
    assert_eq!(within(&cache, order_of_shop(&table, 1)).await.value, 0);
    sleep(ms(300)).await;
    table.set(1);
    cache.emit(OrderChanged { id: 1 }).await.unwrap();
    let read = explained(&cache, order_of_shop(&table, 1)).await;
    assert_eq!(read.value.value, 1, "{read}");
}

#[tokio::test]
async fn an_event_that_a_value_names_is_seen_by_another_process() {
    let (server, table) = (Server::start(), Table::default());
    let here = on(server.url(), ms(2_000)).await;
    let there = on(server.other_url(), ms(2_000)).await;
    within(&here, order_of_shop(&table, 1)).await;
    sleep(ms(300)).await;
    within(&there, order_of_shop(&table, 1)).await;
    table.set(1);
    here.emit(OrderChanged { id: 1 }).await.unwrap();
    sleep(ms(3_000)).await;
    let read = explained(&there, order_of_shop(&table, 1)).await;
    assert_eq!(read.value.value, 1, "{read}");
}

/// The same function before and behind a deployment: the author has added an event that the value names.
#[cached(ttl = 1h, name = "order", skip(table))]
async fn order_before(table: &Table, id: u64) -> Order {
    Order {
        id,
        value: table.value(),
    }
}

#[cached(ttl = 1h, name = "order", skip(table), invalidate_on = |order| OrderChanged { id: order.id })]
async fn order_behind(table: &Table, id: u64) -> Order {
    Order {
        id,
        value: table.value(),
    }
}

/// Control: where the arguments name it, an entry without it is not used.
#[cached(ttl = 1h, name = "order", skip(table), invalidate_on = OrderChanged { id })]
async fn order_by_arguments(table: &Table, id: u64) -> Order {
    Order {
        id,
        value: table.value(),
    }
}

#[tokio::test]
async fn control_an_entry_from_before_is_not_used_where_the_arguments_name_the_event() {
    let (server, table) = (Server::start(), Table::default());
    let old = on(server.url(), ms(2_000)).await;
    within(&old, order_before(&table, 1)).await;
    filled(&old, "order").await;
    let new = on(server.other_url(), ms(2_000)).await;
    let read = explained(&new, order_by_arguments(&table, 1)).await;
    assert_ne!(read.source, Source::Redis, "{read}");
}

#[tokio::test]
async fn an_entry_from_before_is_not_used_where_the_value_names_the_event() {
    let (server, table) = (Server::start(), Table::default());
    let old = on(server.url(), ms(2_000)).await;
    within(&old, order_before(&table, 1)).await;
    filled(&old, "order").await;
    let new = on(server.other_url(), ms(2_000)).await;
    within(&new, order_behind(&table, 1)).await;
    table.set(1);
    new.emit(OrderChanged { id: 1 }).await.unwrap();
    let read = explained(&new, order_behind(&table, 1)).await;
    assert_eq!(
        read.value.value, 1,
        "in the process that emitted it: {read}"
    );
}

#[tokio::test]
async fn control_a_value_that_names_its_events_does_not_go_to_redis() {
    let (server, table) = (Server::start(), Table::default());
    let here = on(server.url(), ms(2_000)).await;
    within(&here, order_behind(&table, 1)).await;
    sleep(ms(500)).await;
    assert_eq!(server.command(&["KEYS", "test:e:*"]), "");
}

#[cached(ttl = 1h, none_ttl = 1h, skip(table), invalidate_on = |order| OrderChanged { id: order.id })]
async fn perhaps(table: &Table, id: u64) -> Option<Order> {
    let value = table.value();
    (value > 0).then_some(Order { id, value })
}

#[tokio::test]
async fn nor_does_a_none() {
    let (server, table) = (Server::start(), Table::default());
    let here = on(server.url(), ms(2_000)).await;
    within(&here, perhaps(&table, 1)).await;
    sleep(ms(500)).await;
    assert_eq!(server.command(&["KEYS", "test:e:*"]), "");
}

#[tokio::test]
async fn explain_does_not_say_that_redis_is_unavailable() {
    let (server, table) = (Server::start(), Table::default());
    let here = on(server.url(), ms(2_000)).await;
    let read = explained(&here, order_behind(&table, 1)).await;
    assert!(!read.to_string().contains("Redis is unavailable"), "{read}");
}

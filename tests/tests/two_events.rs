//! One mutation emits two events. A function listens to the first, and is made of one that listens to the second: what its
//! loads take from memory may be older than the versions that they are stamped with.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use cache_core::{Event, cached, invalidates};
use tests::{
    proxy::Proxy,
    rows::{Table, explained, ms, on, within},
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
struct CustomerChanged {
    id: u64,
}

#[cached(ttl = 1h, skip(table), invalidate_on = CustomerChanged { id })]
async fn customer(table: &Table, id: u64) -> u64 {
    table.value()
}

/// Every mutation of a customer is one of his order too, and says both.
#[cached(ttl = 1h, skip(table), invalidate_on = OrderChanged { id })]
async fn order(table: &Table, id: u64) -> u64 {
    customer(table, id).await
}

/// Control: as it would be if both listened to the same event.
#[cached(ttl = 1h, skip(table), invalidate_on = OrderChanged { id })]
async fn customer_of_order(table: &Table, id: u64) -> u64 {
    table.value()
}

#[cached(ttl = 1h, skip(table), invalidate_on = OrderChanged { id })]
async fn order_of_one_event(table: &Table, id: u64) -> u64 {
    customer_of_order(table, id).await
}

#[invalidates(OrderChanged { id }, CustomerChanged { id })]
async fn change(table: &Table, id: u64) {
    table.change();
}

macro_rules! behind_a_message_that_is_late {
    ($inner:ident, $outer:ident) => {{
        let (server, table) = (Server::start(), Table::default());
        let proxy = Proxy::to(&server);
        let there = on(proxy.url(), ms(2_000)).await;
        let ports = server.clients("cache-core-channel");
        let here = on(server.url(), ms(2_000)).await;
        within(&there, $inner(&table, 1)).await;
        sleep(ms(100)).await;
        assert_eq!(proxy.black_hole_from(&ports), 1);
        within(&here, change(&table, 1)).await;
        within(&there, $outer(&table, 1)).await;
        sleep(ms(5_000)).await;
        let (a, b) = (
            explained(&there, $outer(&table, 1)).await,
            explained(&here, $outer(&table, 1)).await,
        );
        (a.value, b.value)
    }};
}

#[tokio::test]
async fn control_one_event_of_one_mutation() {
    let seen = behind_a_message_that_is_late!(customer_of_order, order_of_one_event);
    assert_eq!(seen, (1, 1));
}

#[tokio::test]
async fn who_hears_of_two_events_late_keeps_nothing_that_is_made_of_what_was_before() {
    let seen = behind_a_message_that_is_late!(customer, order);
    assert_eq!(seen, (1, 1), "there, and in the process that emitted it");
}

/// Without any fault: while the message is on its way. Gives how many are behind three seconds after all has been heard.
macro_rules! without_a_fault {
    ($inner:ident, $outer:ident, $rounds:expr) => {{
        let (server, table) = (Server::start(), Table::default());
        let there = on(server.other_url(), ms(2_000)).await;
        let here = on(server.url(), ms(2_000)).await;
        for id in 1..=$rounds {
            within(&there, $inner(&table, id)).await;
            // It calls while the event is on its way there.
            let reading = async {
                tokio::task::yield_now().await;
                for _ in 0..3 {
                    within(&there, $outer(&table, id)).await;
                    tokio::task::yield_now().await;
                }
            };
            futures::join!(within(&here, change(&table, id)), reading);
        }
        sleep(ms(3_000)).await;
        let mut behind = (0, 0);
        for id in 1..=$rounds {
            behind.0 += u64::from(within(&there, $outer(&table, id)).await < id);
            behind.1 += u64::from(within(&here, $outer(&table, id)).await < id);
        }
        behind
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_of_one_event_without_a_fault() {
    let behind = without_a_fault!(customer_of_order, order_of_one_event, 300_u64);
    assert_eq!(behind, (0, 0), "of 300");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_while_the_message_is_on_its_way() {
    let behind = without_a_fault!(customer, order, 300_u64);
    assert_eq!(behind, (0, 0), "of 300");
}

/// In between is one that inherits.
#[cached(ttl = 1h, skip(table), inherits)]
async fn between(table: &Table, id: u64) -> u64 {
    customer(table, id).await
}

#[cached(ttl = 1h, skip(table), invalidate_on = OrderChanged { id })]
async fn order_over_two(table: &Table, id: u64) -> u64 {
    between(table, id).await
}

#[tokio::test]
async fn nor_through_one_that_inherits() {
    let seen = behind_a_message_that_is_late!(customer, order_over_two);
    assert_eq!(seen, (1, 1), "there, and in the process that emitted it");
}

/// All that is needed for `between` to be in memory.
#[tokio::test]
async fn nor_through_a_hit_of_one_that_inherits() {
    let seen = behind_a_message_that_is_late!(between, order_over_two);
    assert_eq!(seen, (1, 1), "there, and in the process that emitted it");
}

/// Who listens to less than what it is made of is warned, also through one that inherits.
async fn warnings<F: Future<Output = u64>>(call: F) -> usize {
    use tracing_subscriber::layer::SubscriberExt as _;
    let said = tests::log::Said::from(tracing::Level::WARN);
    let _here = tracing::subscriber::set_default(tracing_subscriber::registry().with(said.clone()));
    let cache = tests::rows::alone().await;
    within(&cache, call).await;
    let lines = said.take();
    lines
        .iter()
        .filter(|line| line.contains("does not list"))
        .count()
}

#[tokio::test]
async fn control_who_is_warned() {
    assert_eq!(warnings(order(&Table::default(), 1)).await, 1);
}

#[tokio::test]
async fn who_calls_it_through_one_that_inherits_is_warned_too() {
    assert_eq!(warnings(order_over_two(&Table::default(), 1)).await, 1);
}

#[derive(Event)]
#[event(used_elsewhere)]
struct ShopChanged;

#[cached(ttl = 1h, skip(table), invalidate_on = [ShopChanged, CustomerChanged { id }])]
async fn customer_of_shop(table: &Table, id: u64) -> u64 {
    table.value()
}

#[cached(ttl = 1h, skip(table), invalidate_on = [ShopChanged, OrderChanged { id }])]
async fn order_of_shop(table: &Table, id: u64) -> u64 {
    customer_of_shop(table, id).await
}

#[tokio::test]
async fn a_tag_in_common_hides_nothing() {
    let seen = behind_a_message_that_is_late!(customer_of_shop, order_of_shop);
    assert_eq!(seen, (1, 1), "there, and in the process that emitted it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_it_without_a_fault() {
    let behind = without_a_fault!(customer_of_shop, order_of_shop, 300_u64);
    assert_eq!(behind, (0, 0), "of 300");
}

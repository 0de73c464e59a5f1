//! One mutation emits two events, whose tags are on two nodes of a cluster. Between a process and one of them packets take
//! longer for a moment.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use cache_core::{Cache, Event, cached, invalidates};
use tests::{
    clusters::Cluster,
    rows::{Table, ms, within},
    server::{behind_lines, forms_clusters},
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

#[derive(Clone, Debug)]
struct Order {
    id: u64,
    customer: u64,
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

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = OrderChanged { id })]
async fn order_here(table: &Table, id: u64) -> u64 {
    customer(table, id).await
}

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |order| OrderChanged { id: order.id })]
async fn order_that_says(table: &Table, id: u64) -> Order {
    let customer = customer(table, id).await;
    Order { id, customer }
}

#[invalidates(OrderChanged { id }, CustomerChanged { id })]
async fn change(table: &Table, id: u64) {
    table.change();
}

async fn on(url: String) -> Cache {
    let built = Cache::builder()
        .namespace("test")
        .redis(url)
        .redis_budget(ms(500));
    built.require_redis().build().await.unwrap()
}

/// What these functions give when all has been heard of a change, of which a part was heard late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stays_in_memory_is_not_behind_where_packets_of_one_node_take_longer() {
    if !forms_clusters() {
        return;
    }
    let (cluster, table) = (behind_lines(Cluster::start), Table::default());
    let there = on(cluster.url()).await;
    let nodes = &cluster.nodes;
    let ports: Vec<Vec<u16>> = nodes
        .iter()
        .map(|node| node.clients("cache-core-channel"))
        .collect();
    let here = on(cluster.other_url()).await;
    within(&there, customer(&table, 1)).await;
    // There is a tag of each event.
    within(&here, order(&table, 3)).await;
    within(&there, order_here(&table, 2)).await;
    // What is loaded without asking Redis is believed for less in the first 30 s.
    sleep(ms(31_000)).await;
    let owner = |event: &str| cluster.owner_of(cluster.slot_of_tags(event));
    let (of_order, of_customer) = (owner("OrderChanged"), owner("CustomerChanged"));
    assert_ne!(of_order, of_customer, "choose other names");
    let line = nodes[of_customer].line().unwrap();
    assert_eq!(
        line.slow_down_from(&ports[of_customer], ms(200)),
        1,
        "{ports:?}"
    );
    within(&here, change(&table, 1)).await;
    assert_eq!(here.stats().events.acknowledged, 1);
    sleep(ms(30)).await;
    let seen = async || {
        [
            within(&there, order_here(&table, 1)).await,
            within(&there, order_that_says(&table, 1)).await.customer,
            // Last, as it asks about the customer.
            within(&there, order(&table, 1)).await,
        ]
    };
    eprintln!("at once {:?}", seen().await);
    line.slow_down_from(&ports[of_customer], ms(0));
    sleep(ms(3_000)).await;
    assert_eq!(there.stats().events.gaps, 1, "the connection has lasted");
    assert_eq!(within(&there, customer(&table, 1)).await, 1);
    assert_eq!(seen().await, [1; 3]);
}

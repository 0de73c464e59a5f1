//! Which function changes what? A shop shows it, and a test of it would fail on an event that leads nowhere.
//!
//! `cargo run -p examples --example graph`, or `.. --example graph dot | dot -Tsvg`

use cache_core::{Cache, Error, Event, cached, event, graph, invalidates};

#[derive(Event)]
struct OrderChanged {
    tenant: u64,
    id: u64,
}

#[derive(Event)]
struct PricesChanged;

/// The process of the warehouse emits it.
#[derive(Event)]
#[event(used_elsewhere)]
struct StockChanged {
    article: u64,
}

#[cached(ttl = 1h, invalidate_on = OrderChanged { tenant, id })]
async fn order(tenant: u64, id: u64) -> String {
    format!("order {id} of tenant {tenant}")
}

#[cached(ttl = 1h, invalidate_on = [OrderChanged { tenant, .. }, PricesChanged])]
async fn turnover(tenant: u64) -> u64 {
    tenant * 100
}

#[cached(ttl = 5m, invalidate_on = [StockChanged { article }, PricesChanged])]
async fn offer(article: u64) -> String {
    format!("article {article}")
}

#[invalidates(OrderChanged { tenant, id: *result })]
async fn place_order(tenant: u64, article: u64) -> u64 {
    tenant + article
}

#[invalidates(OrderChanged { tenant, .. })]
async fn close_account(tenant: u64) {
    eprintln!("tenant {tenant} has left");
}

async fn raise_prices(cache: &Cache) -> Result<(), Error> {
    cache.emit(event!(PricesChanged)).await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let graph = graph();
    graph.assert_no_orphans();
    match std::env::args().nth(1).as_deref() {
        None => print!("{graph}"),
        Some("mermaid") => print!("{}", graph.to_mermaid()),
        Some("dot") => print!("{}", graph.to_dot()),
        Some("json") => println!("{}", graph.to_json()),
        Some(other) => panic!("no form is called {other}"),
    }
    // None of them was called yet: here they are.
    assert_eq!(order(1, 8).await, "order 8 of tenant 1");
    assert_eq!(turnover(1).await, 100);
    assert_eq!(offer(7).await, "article 7");
    assert_eq!(place_order(1, 7).await, 8);
    close_account(1).await;
    raise_prices(&Cache::current()).await
}

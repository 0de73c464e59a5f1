//! The sixth review: what is changed by hand on a runtime that ends.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::pedantic,
    missing_docs,
    dead_code,
    reason = "a test may fail"
)]

use std::time::Duration;

use cache_core::{CachedCall, cached};
use tests::{
    proxy::Proxy,
    rows::{Table, explained, filled, ms, on, within},
    server::Server,
};
use tokio::{runtime::Builder, time::sleep};

#[cached(ttl = 1h, skip(table))]
async fn thing(table: &Table, id: u64) -> u64 {
    table.value()
}

/// What was evicted is not served again, though the runtime ends on which that was said while Redis was away.
#[test]
fn what_was_evicted_in_an_outage_does_not_come_back_though_its_runtime_ended() {
    let new = || Builder::new_current_thread().enable_all().build().unwrap();
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let table = Table::default();
    let short = new();
    let cache = short.block_on(async {
        let cache = on(proxy.url(), Duration::from_secs(2)).await;
        within(&cache, thing(&table, 1)).await;
        filled(&cache, "thing").await;
        table.set(1);
        proxy.black_hole_existing();
        within(&cache, thing(&table, 1).evict()).await.unwrap();
        cache
    });
    drop(short);
    let next = new();
    next.block_on(async {
        // The first finds no connection; it is there soon.
        let _ = within(&cache, thing(&table, 2)).await;
        sleep(ms(1_500)).await;
        let read = explained(&cache, thing(&table, 1)).await;
        assert_eq!(read.value, 1, "{read}");
    });
}

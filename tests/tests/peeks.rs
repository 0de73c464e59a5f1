//! `peek` gives what is fresh, whoever has it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::HashMap;

use cache_core::{CachedCall, cached};
use tests::{
    rows::{RowChanged, Table, alone, filled, ms, on, within},
    server::Server,
};
use tokio::time::sleep;

#[cached(ttl = 300ms, skip(table), strategy = stale_while_revalidate(1h), invalidate_on = RowChanged { id })]
async fn while_revalidating(table: &Table, id: u64) -> u64 {
    table.value()
}

#[cached(ttl = 300ms, skip(table), strategy = stale_if_error(1h))]
async fn if_error(table: &Table, id: u64) -> Result<u64, String> {
    Ok(table.value())
}

#[cached(ttl = 300ms, skip(table), strategy = stale_while_revalidate(1h), batch(id in ids))]
async fn many(table: &Table, ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, table.value())).collect()
}

#[tokio::test]
async fn control_memory_peeks_at_nothing_that_is_stale() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, while_revalidating(&table, 1)).await;
    within(&cache, if_error(&table, 1)).await.unwrap();
    within(&cache, many(&table, &[1])).await;
    sleep(ms(400)).await;
    assert_eq!(
        within(&cache, while_revalidating(&table, 1).peek()).await,
        None
    );
    assert_eq!(within(&cache, if_error(&table, 1).peek()).await, None);
    assert_eq!(
        within(&cache, many(&table, &[1]).peek())
            .await
            .unwrap_or_default(),
        HashMap::new()
    );
}

#[tokio::test]
async fn redis_peeks_at_nothing_that_is_stale() {
    let (server, table) = (Server::start(), Table::default());
    let here = on(server.url(), ms(2_000)).await;
    within(&here, while_revalidating(&table, 1)).await;
    within(&here, if_error(&table, 1)).await.unwrap();
    within(&here, many(&table, &[1])).await;
    for function in ["while_revalidating", "if_error", "many"] {
        filled(&here, function).await;
    }
    sleep(ms(400)).await;
    let there = on(server.other_url(), ms(2_000)).await;
    for cache in [&here, &there] {
        let peeked = (
            within(cache, while_revalidating(&table, 1).peek()).await,
            within(cache, if_error(&table, 1).peek()).await,
            within(cache, many(&table, &[1]).peek())
                .await
                .unwrap_or_default(),
        );
        assert_eq!(peeked, (None, None, HashMap::new()));
    }
}

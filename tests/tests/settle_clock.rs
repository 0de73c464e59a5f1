//! `settle`, where the clock of the server is stepped ahead: what was loaded from a replica that lags counts as settled.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use cache_core::cached;
use tests::{
    rows::{RowChanged, Table, ms, on, within},
    server::{Server, with_own_clocks},
};
use tokio::time::sleep;

/// `replica` is what the replica shows, which lags by less than a second and a half.
#[cached(ttl = 1h, skip(replica), settle = 2s, invalidate_on = RowChanged { id })]
async fn lagging(replica: &Table, id: u64) -> u64 {
    replica.value()
}

/// Gives what is served five seconds behind an event.
async fn behind_an_event(step: i64) -> u64 {
    let (server, replica) = (with_own_clocks(Server::start), Table::default());
    let cache = on(server.url(), ms(2_000)).await;
    // The tag is made, and is older than the time to settle.
    assert_eq!(within(&cache, lagging(&replica, 1)).await, 0);
    sleep(ms(2_300)).await;
    assert_eq!(within(&cache, lagging(&replica, 1)).await, 0);
    // It is committed at the primary.
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    server.step_clock(step);
    // Two beats.
    sleep(ms(1_100)).await;
    assert_eq!(
        within(&cache, lagging(&replica, 1)).await,
        0,
        "the replica lags"
    );
    sleep(ms(200)).await;
    replica.set(1);
    sleep(ms(4_000)).await;
    within(&cache, lagging(&replica, 1)).await
}

#[tokio::test]
async fn control_what_has_not_settled_is_looked_at_again() {
    assert_eq!(behind_an_event(0).await, 1);
}

#[tokio::test]
async fn what_has_not_settled_is_looked_at_again_though_the_clock_of_the_server_was_set() {
    assert_eq!(behind_an_event(3_000_000).await, 1);
}

/// As [`lagging`], by less than four seconds.
#[cached(ttl = 1h, skip(replica), settle = 6s, invalidate_on = RowChanged { id })]
async fn slow(replica: &Table, id: u64) -> u64 {
    replica.value()
}

/// Gives what is served ten seconds behind an event, in the process that emitted it, which has not called the function
/// before.
async fn behind_the_first_event(step: i64) -> u64 {
    let (server, replica) = (with_own_clocks(Server::start), Table::default());
    let cache = on(server.url(), ms(2_000)).await;
    // Another process has called it, for another row.
    let other = on(server.other_url(), ms(2_000)).await;
    assert_eq!(within(&other, slow(&replica, 2)).await, 0);
    sleep(ms(6_500)).await;
    // It is committed at the primary.
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    server.step_clock(step);
    // Two beats.
    sleep(ms(3_100)).await;
    assert_eq!(
        within(&cache, slow(&replica, 1)).await,
        0,
        "the replica lags"
    );
    sleep(ms(200)).await;
    replica.set(1);
    sleep(ms(7_000)).await;
    within(&cache, slow(&replica, 1)).await
}

#[tokio::test]
async fn what_has_not_settled_is_looked_at_again_though_nobody_had_asked_before() {
    assert_eq!(behind_the_first_event(0).await, 1);
}

#[tokio::test]
async fn what_has_not_settled_is_looked_at_again_though_nobody_had_asked_before_the_clock_was_set()
{
    assert_eq!(behind_the_first_event(20_000_000).await, 1);
}

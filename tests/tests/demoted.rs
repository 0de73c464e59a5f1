//! A primary is made a replica of one that never had its last event, behind connections that stay: until it is asked what it is,
//! a quarter of the bound later at most, its answers are believed by who never heard of that event, and no longer.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::{Duration, Instant};

use tests::{
    proxy::Proxy,
    rows::{Table, explained, filled, ms, on, row, within},
    server::Server,
    until,
};
use tokio::time::sleep;

/// For how long after its acknowledgement a change was not seen by a process that began right after it.
async fn behind(bound: Duration, first: Duration) -> Duration {
    let (a, b, table) = (Server::replicable(), Server::replicable(), Table::default());
    b.follow(&a);
    b.is_synced().await;
    let here = on(a.url(), bound).await;
    assert_eq!(within(&here, row(&table, 1)).await, 0);
    filled(&here, "row").await;
    until("the replica has it", || {
        b.command(&["KEYS", "test:e:*"]).contains("test:e:")
    })
    .await;
    b.lead();
    // Acknowledged by the one that is the primary for all, and lost when that follows the other one.
    table.set(1);
    here.emit(tests::rows::RowChanged { id: 1 }).await.unwrap();
    let acknowledged = Instant::now();
    let there = on(a.other_url(), bound).await;
    a.follow(&b);
    a.is_synced().await;
    sleep(first.saturating_sub(acknowledged.elapsed())).await;
    let mut last = Duration::ZERO;
    while acknowledged.elapsed() < bound + ms(1_500) {
        let begin = acknowledged.elapsed();
        let read = explained(&there, row(&table, 1)).await;
        if read.value == 0 {
            last = begin;
        }
        sleep(ms(5)).await;
    }
    drop(here);
    last
}

#[tokio::test]
async fn a_server_that_was_replaced_is_noticed_within_a_short_bound() {
    let behind = behind(ms(100), ms(0)).await;
    assert!(behind <= ms(100), "{behind:?}");
}

#[tokio::test]
async fn a_server_that_was_replaced_is_noticed_within_the_usual_bound() {
    let behind = behind(ms(2_000), ms(440)).await;
    assert!(behind <= ms(2_000), "{behind:?}");
}

/// A process that cannot listen (its server has no room for one more connection, here: the line refuses new ones) believes what
/// it has until its lease is over, and then asks. Asked is a server that was made a replica a moment ago, of one that never had the
/// event: what it proves of what is void counts until it is asked what it is.
#[tokio::test]
async fn what_a_replaced_server_has_proved_is_proven_no_longer() {
    let bound = ms(1_800);
    let (a, b, table) = (Server::replicable(), Server::replicable(), Table::default());
    b.follow(&a);
    b.is_synced().await;
    let here = on(a.url(), bound).await;
    assert_eq!(within(&here, row(&table, 1)).await, 0);
    filled(&here, "row").await;
    until("the replica has it", || {
        b.command(&["KEYS", "test:e:*"]).contains("test:e:")
    })
    .await;
    b.lead();
    let proxy = Proxy::to(&a);
    let there = on(proxy.url(), bound).await;
    // It is asked at 500, 1000, .. whether it is alive, and listened at 450, 900, 1350, 1800.
    let begin = Instant::now();
    let at = |time: u64| sleep(ms(time).saturating_sub(begin.elapsed()));
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    at(2_000).await;
    proxy.refuse();
    a.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    at(2_150).await;
    table.set(1);
    here.emit(tests::rows::RowChanged { id: 1 }).await.unwrap();
    let acknowledged = Instant::now();
    at(3_545).await;
    a.follow(&b);
    a.is_synced().await;
    let mut last = Duration::ZERO;
    while acknowledged.elapsed() < ms(4_500) {
        let begin = acknowledged.elapsed();
        if within(&there, row(&table, 1)).await == 0 {
            last = begin;
        }
        sleep(ms(5)).await;
    }
    drop(here);
    assert!(last <= bound, "{last:?} with a bound of {bound:?}");
}

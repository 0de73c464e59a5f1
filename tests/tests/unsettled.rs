//! `settle`, in a process that has not heard of the event: what it loads from a replica that lags is not taken for settled.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Instant;

use cache_core::{Cache, cached};
use tests::{
    proxy::Proxy,
    rows::{RowChanged, Table, ms, on, within},
    server::Server,
};
use tokio::time::sleep;

const BOUND: u64 = 2_000;

/// `replica` is what the replica shows, which lags by less than two seconds.
#[cached(ttl = 1h, skip(replica), settle = 2s, invalidate_on = RowChanged { id })]
async fn lagging(replica: &Table, id: u64) -> u64 {
    replica.value()
}

#[cached(ttl = 1h, skip(replica), settle = 2s, tiers = memory, invalidate_on = RowChanged { id })]
async fn lagging_here(replica: &Table, id: u64) -> u64 {
    replica.value()
}

#[cached(ttl = 1h, skip(replica), tiers = memory, invalidate_on = RowChanged { id })]
async fn made_of(replica: &Table, id: u64) -> u64 {
    lagging_here(replica, id).await
}

#[cached(ttl = 1h, skip(replica), inherits)]
async fn inheriting(replica: &Table, id: u64) -> u64 {
    lagging(replica, id).await
}

/// How long behind an event that Redis has acknowledged each of these is last served what was before.
async fn last_served(is_cut_off: bool) -> [u128; 4] {
    let (server, replica) = (Server::start(), Table::default());
    let proxy = Proxy::to(&server);
    let there = on(proxy.url(), ms(BOUND)).await;
    let here = on(server.url(), ms(BOUND)).await;
    let all = async |replica: &Table| {
        [
            within(&there, lagging(replica, 1)).await,
            within(&there, lagging_here(replica, 1)).await,
            within(&there, made_of(replica, 1)).await,
            within(&there, inheriting(replica, 1)).await,
        ]
    };
    assert_eq!(all(&replica).await, [0; 4]);
    sleep(ms(2_300)).await;
    assert_eq!(all(&replica).await, [0; 4]);
    if is_cut_off {
        proxy.refuse();
        proxy.close_all();
    }
    sleep(ms(200)).await;
    // It is committed at the primary, and Redis has it.
    here.emit(RowChanged { id: 1 }).await.unwrap();
    let emitted = Instant::now();
    sleep(ms(1_700)).await;
    assert_eq!(all(&replica).await, [0; 4], "the replica lags");
    sleep(ms(100)).await;
    replica.set(1);
    // Longer than the time to settle, and than the bound.
    let mut last = [0; 4];
    while emitted.elapsed() < ms(5_000) {
        let since = emitted.elapsed().as_millis();
        for (last, value) in last.iter_mut().zip(all(&replica).await) {
            if value == 0 {
                *last = since;
            }
        }
        sleep(ms(10)).await;
    }
    eprintln!("cut off: {is_cut_off}; last served what was before, behind the event: {last:?} ms");
    last
}

#[tokio::test]
async fn control_what_has_not_settled_is_not_served_for_longer_than_that() {
    let last = last_served(false).await;
    assert!(
        last.iter().all(|last| *last < u128::from(BOUND) + 50),
        "{last:?}"
    );
}

/// `coherence.md`: "every other process, whatever happens to connections: the bound after Redis had it"; "what is loaded so soon
/// after an event is kept no longer than that, given to nobody who calls later, and neither is what other cached functions with
/// events make of it".
#[tokio::test]
async fn what_has_not_settled_is_not_served_for_longer_than_that_by_who_is_cut_off() {
    let last = last_served(true).await;
    assert!(
        last.iter().all(|last| *last < u128::from(BOUND) + 50),
        "{last:?}"
    );
}

/// What is served behind an event that Redis has acknowledged, and when last what was before, of one that is first called,
/// or called again behind a gap, a second and a half later.
async fn last_served_by(cache: &Cache, emitted: Instant, replica: &Table) -> [u128; 2] {
    let both = async |replica: &Table| {
        [
            within(cache, lagging(replica, 1)).await,
            within(cache, lagging_here(replica, 1)).await,
        ]
    };
    sleep(ms(1_700).saturating_sub(emitted.elapsed())).await;
    assert_eq!(both(replica).await, [0; 2], "the replica lags");
    sleep(ms(100)).await;
    replica.set(1);
    let mut last = [0; 2];
    while emitted.elapsed() < ms(5_000) {
        let since = emitted.elapsed().as_millis();
        for (last, value) in last.iter_mut().zip(both(replica).await) {
            if value == 0 {
                *last = since;
            }
        }
        sleep(ms(10)).await;
    }
    eprintln!("last served what was before, behind the event: {last:?} ms");
    last
}

fn is_in_time(last: [u128; 2]) {
    assert!(
        last.iter().all(|last| *last < u128::from(BOUND) + 50),
        "{last:?}"
    );
}

/// Without Redis, and without a fault: the process that emitted it has not called a function with `settle` before.
#[tokio::test]
async fn what_has_not_settled_is_not_served_for_longer_than_that_where_it_is_the_first_call() {
    let (cache, replica) = (tests::rows::alone().await, Table::default());
    cache.emit(RowChanged { id: 1 }).await.unwrap();
    is_in_time(last_served_by(&cache, Instant::now(), &replica).await);
}

/// Without a fault: a process that was started behind the event, such as by a deploy.
#[tokio::test]
async fn what_has_not_settled_is_not_served_for_longer_than_that_by_a_process_that_starts() {
    let (server, replica) = (Server::start(), Table::default());
    let here = on(server.url(), ms(BOUND)).await;
    assert_eq!(within(&here, lagging(&replica, 1)).await, 0);
    sleep(ms(2_300)).await;
    here.emit(RowChanged { id: 1 }).await.unwrap();
    let emitted = Instant::now();
    sleep(ms(1_000)).await;
    let there = on(server.other_url(), ms(BOUND)).await;
    is_in_time(last_served_by(&there, emitted, &replica).await);
}

/// The connection that listens is made anew a second behind the event, which was heard.
#[tokio::test]
async fn what_has_not_settled_is_not_served_for_longer_than_that_where_a_connection_was_made_anew()
{
    let (server, replica) = (Server::start(), Table::default());
    let here = on(server.url(), ms(BOUND)).await;
    let there = on(server.other_url(), ms(BOUND)).await;
    for cache in [&here, &there] {
        assert_eq!(within(cache, lagging(&replica, 1)).await, 0);
        assert_eq!(within(cache, lagging_here(&replica, 1)).await, 0);
    }
    sleep(ms(2_300)).await;
    here.emit(RowChanged { id: 1 }).await.unwrap();
    let emitted = Instant::now();
    sleep(ms(1_000)).await;
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    is_in_time(last_served_by(&there, emitted, &replica).await);
}

/// As the one before, but for the fault.
#[tokio::test]
async fn control_what_has_not_settled_is_not_served_for_longer_than_that_where_no_connection_was_made_anew()
 {
    let (server, replica) = (Server::start(), Table::default());
    let here = on(server.url(), ms(BOUND)).await;
    let there = on(server.other_url(), ms(BOUND)).await;
    for cache in [&here, &there] {
        assert_eq!(within(cache, lagging(&replica, 1)).await, 0);
        assert_eq!(within(cache, lagging_here(&replica, 1)).await, 0);
    }
    sleep(ms(2_300)).await;
    here.emit(RowChanged { id: 1 }).await.unwrap();
    is_in_time(last_served_by(&there, Instant::now(), &replica).await);
}

/// Without a fault: what a process that was started behind the event puts in Redis, others serve for as long, that had heard
/// of it.
#[tokio::test]
async fn what_has_not_settled_is_not_served_for_longer_than_that_by_others_than_the_process_that_starts()
 {
    let (server, replica) = (Server::start(), Table::default());
    let here = on(server.url(), ms(BOUND)).await;
    assert_eq!(within(&here, lagging(&replica, 1)).await, 0);
    sleep(ms(2_300)).await;
    here.emit(RowChanged { id: 1 }).await.unwrap();
    let emitted = Instant::now();
    sleep(ms(1_000)).await;
    let there = on(server.other_url(), ms(BOUND)).await;
    sleep(ms(1_700).saturating_sub(emitted.elapsed())).await;
    assert_eq!(
        within(&there, lagging(&replica, 1)).await,
        0,
        "the replica lags"
    );
    sleep(ms(100)).await;
    replica.set(1);
    let mut last = 0;
    while emitted.elapsed() < ms(5_000) {
        let since = emitted.elapsed().as_millis();
        if within(&here, lagging(&replica, 1)).await == 0 {
            last = since;
        }
        sleep(ms(10)).await;
    }
    eprintln!("last served what was before, behind the event, by who emitted it: {last} ms");
    is_in_time([last; 2]);
}

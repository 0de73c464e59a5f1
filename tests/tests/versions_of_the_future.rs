//! A version that is smaller than one before it: the clock of the server was ahead when a tag was made, the tag was evicted,
//! and the clock is right again.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use cache_core::cached;
use tests::{
    proxy::Proxy,
    rows::{RowChanged, Table, explained, far_row, mirrored, ms, on, row, within},
    server::{Server, with_own_clocks},
};
use tokio::time::sleep;

/// A card of a row, which depends on the same event.
#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn card(table: &Table, id: u64) -> u64 {
    row(table, id).await
}

/// What three processes are served of the card long after the event: the one that did not hear of it and made the card, a
/// new one, and the one that emitted it. The row was read while the clock was ahead by `step` microseconds.
async fn served(step: i64, evicts: bool) -> [u64; 3] {
    let server = with_own_clocks(Server::start);
    let (proxy, table) = (Proxy::to(&server), Table::default());
    let here = on(server.url(), ms(2_000)).await;
    let there = on(proxy.url(), ms(2_000)).await;
    server.step_clock(step);
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    server.step_clock(0);
    if evicts {
        evict_tags(&server);
    }
    sleep(ms(300)).await;
    proxy.black_hole_from(&server.clients("cache-core-channel"));
    table.set(1);
    let emitted = async { here.emit(RowChanged { id: 1 }).await.unwrap() };
    within(&here, emitted).await;
    // It may be old for as long as the bound.
    within(&there, card(&table, 1)).await;
    sleep(ms(4_000)).await;
    let other = on(server.other_url(), ms(2_000)).await;
    let mut values = [0; 3];
    for (value, cache) in values.iter_mut().zip([&there, &other, &here]) {
        *value = explained(cache, card(&table, 1)).await.value;
    }
    values
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_of_a_value_under_a_version_of_the_future_is_no_newer_than_that() {
    assert_eq!(served(0, true).await, [1; 3], "control: no step");
    assert_eq!(
        served(3_600_000_000, false).await,
        [1; 3],
        "control: nothing evicted"
    );
    assert_eq!(served(1_000_000, true).await, [1; 3]);
}

fn evict_tags(server: &Server) {
    for tag in server.command(&["KEYS", "test:t:*"]).lines() {
        server.command(&["DEL", tag]);
    }
}

/// The least that a process is served that emitted an event, behind a demotion of the server that acknowledged that under
/// one that never had it. The event before was emitted while the clock was ahead by `step` microseconds.
async fn served_to_its_emitter(step: i64, evicts: bool) -> u64 {
    let (a, b) = with_own_clocks(|| (Server::replicable(), Server::replicable()));
    let table = Table::default();
    b.follow(&a);
    b.is_synced().await;
    let here = on(a.url(), ms(2_000)).await;
    a.step_clock(step);
    here.emit(RowChanged { id: 1 }).await.unwrap();
    mirrored(&here, &table, &b).await;
    b.lead();
    a.step_clock(0);
    if evicts {
        evict_tags(&a);
    }
    table.set(1);
    here.emit(RowChanged { id: 1 }).await.unwrap();
    a.follow(&b);
    a.is_synced().await;
    let mut least = u64::MAX;
    for _ in 0..400 {
        let far = within(&here, far_row(&table, 1)).await;
        least = least.min(far).min(within(&here, row(&table, 1)).await);
        sleep(ms(2)).await;
    }
    least
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_emitted_an_event_believes_no_server_that_has_forgotten_it() {
    let hour = 3_600_000_000;
    for (step, evicts) in [(0, false), (0, true), (hour, false), (hour, true)] {
        let least = served_to_its_emitter(step, evicts).await;
        assert_eq!(least, 1, "clock ahead by {step} us, evicted: {evicts}");
    }
}

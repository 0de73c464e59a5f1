//! A Redis that is full takes nothing new: what it has is read all the same, and it is over when it is.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::{Duration, Instant};

use cache_core::{Cache, CachedCall, Source};
use tests::{
    rows::{Table, ms, on, row, within},
    server::Server,
    until,
};
use tokio::time::sleep;

const BOUND: u64 = 2_000;

/// Calls for rows that Redis does not have, from this one on, until it is so.
async fn call_until(cache: &Cache, first: u64, is_so: impl Fn(&Cache) -> bool) {
    let (table, begun) = (Table::default(), Instant::now());
    for id in first.. {
        if is_so(cache) {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{}",
            cache.health()
        );
        within(cache, row(&table, id)).await;
        sleep(ms(5)).await;
    }
}

fn fill_up(server: &Server, is_full: bool) {
    let most = if is_full { "1" } else { "0" };
    server.command(&["CONFIG", "SET", "maxmemory", most]);
}

#[tokio::test]
async fn what_a_full_redis_has_is_read_beside_what_it_does_not_take() {
    let (server, table) = (Server::start(), Table::default());
    let one = on(server.url(), ms(BOUND)).await;
    let other = on(server.other_url(), ms(BOUND)).await;
    for id in 0..100 {
        within(&one, row(&table, id)).await;
    }
    let fills = || one.stats().function("row").map(|row| row.redis_fills);
    until("all is written", || fills() == Some(100)).await;
    fill_up(&server, true);
    let mut found = 0;
    for id in 0..100 {
        let explained = within(&other, row(&table, id).explain()).await.unwrap();
        found += u64::from(explained.source == Source::Redis);
        for beside in 0..4 {
            within(&other, row(&table, 10_000 + id * 4 + beside)).await;
        }
        sleep(ms(2)).await;
    }
    assert!(found > 90, "{found} of 100 that are there");
    assert_eq!(other.health().redis.unwrap().reads_stopped, 0);
}

/// A probe that answers by that has it sent no calls, of which one would find out.
#[tokio::test]
async fn a_cache_that_nobody_calls_is_well_again_once_redis_is() {
    let mut server = Server::start();
    let cache = on(server.url(), ms(400)).await;
    let is_degraded = |cache: &Cache| cache.health().is_degraded();
    fill_up(&server, true);
    call_until(&cache, 0, is_degraded).await;
    assert_eq!(cache.health().redis.unwrap().writes_stopped, 1);
    fill_up(&server, false);
    until("it is well", || !is_degraded(&cache)).await;

    server.kill();
    call_until(&cache, 10_000, is_degraded).await;
    sleep(ms(1_000)).await;
    call_until(&cache, 20_000, is_degraded).await;
    server.start_again();
    until("it is well again", || !is_degraded(&cache)).await;
}

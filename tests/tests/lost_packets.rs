//! A network that loses every packet, without an error and without an end of any connection.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::time::{Duration, Instant};

use cache_core::{Cache, Event, cached};
use tests::{
    SOON, on_both_runtimes,
    server::{self, Server},
};

#[derive(Debug, Event)]
pub struct RowChanged {
    pub id: u64,
}

#[cached(ttl = 1h, tiers = redis, invalidate_on = RowChanged { id })]
async fn row(id: u64) -> u64 {
    id
}

/// What a call waits for Redis, with what a busy machine adds.
const PATIENCE: Duration = Duration::from_secs(1);

#[test]
fn no_call_waits_for_a_network_that_loses_all_and_all_is_well_soon_after() {
    let server = match server::apart(Server::start) {
        Ok(server) => server,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    on_both_runtimes(|_| async {
        let builder = Cache::builder().staleness_bound(Duration::from_millis(500));
        let cache = builder.redis(server.url()).build().await.unwrap();
        Cache::scope(cache.clone(), async {
            row(1).await;
            while cache.emit(RowChanged { id: 1 }).await.is_err() {}
            server.lose_packets();
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(3) {
                let asked = Instant::now();
                assert_eq!(row(2).await, 2);
                assert!(asked.elapsed() < PATIENCE, "{:?}", asked.elapsed());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            cache.emit(RowChanged { id: 1 }).await.unwrap_err();
            server.pass_packets();
            // Sooner than the kernel sends again what it has.
            let begun = Instant::now();
            while cache.emit(RowChanged { id: 1 }).await.is_err() {
                assert!(begun.elapsed() < SOON);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(6), "{took:?}");
        })
        .await;
    });
}

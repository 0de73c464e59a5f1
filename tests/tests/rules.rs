//! The rules for users of Redis that the guide gives are enough, and as narrow as it says.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::{Duration, Instant};

use cache_core::{Cache, CachedCall, Event, Redis, Source, cached, invalidates};
use tests::{
    SOON,
    clusters::Cluster,
    server::{Server, forms_clusters},
};

/// A row is another one.
#[derive(Debug, Event)]
pub struct RowChanged {
    /// Which.
    pub id: u64,
}

#[cached(ttl = 1h, invalidate_on = RowChanged { id })]
async fn row(id: u64) -> u64 {
    id
}

#[invalidates(RowChanged { id })]
async fn write(id: u64) {
    let _ = id;
}

#[invalidates(RowChanged { id }, guarded)]
async fn write_guarded(id: u64) -> Result<(), cache_core::Refused> {
    let _ = id;
    Ok(())
}

/// The commands of the guide, in its order.
fn rules() -> Vec<Vec<&'static str>> {
    let guide = include_str!("../../cache-core/docs/servers.md");
    let blocks = guide.split("```text\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    let rules: Vec<_> = blocks
        .map(|block| block.split_whitespace().collect())
        .collect();
    assert_eq!(rules.len(), 2, "one for all, and one for clusters");
    rules
}

async fn build(redis: Redis) -> Cache {
    let builder = Cache::builder().namespace("shop").redis(redis);
    let builder = builder.redis_budget(Duration::from_millis(500));
    builder.require_redis().build().await.unwrap()
}

/// Everything that a cache asks of Redis, between two that know nothing of each other but through it.
async fn everything_works(one: Cache, other: Cache) {
    Cache::scope(one.clone(), async {
        for id in 0..20 {
            row(id).await;
        }
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let found = Cache::scope(other.clone(), row(7).explain()).await.unwrap();
    assert_eq!(found.source, Source::Redis);
    let heard = other.stats().events.heard;
    Cache::scope(one.clone(), async {
        write(7).await;
        write_guarded(8).await.unwrap();
        row(9).evict().await.unwrap();
        row(9).refresh().await.unwrap();
    })
    .await;
    let events = one.stats().events;
    assert_eq!((events.failed, events.pending), (0, 0));
    let begun = Instant::now();
    while other.stats().events.heard == heard {
        assert!(begun.elapsed() < SOON, "nothing is heard");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let faults = |cache: &Cache| {
        cache
            .stats()
            .functions
            .iter()
            .map(|it| it.redis_faults)
            .sum::<u64>()
    };
    assert_eq!(faults(&one) + faults(&other), 0);
    assert_eq!(one.close(SOON).await.fills, 0);
}

#[tokio::test]
async fn the_rules_of_the_guide_are_enough_on_a_server() {
    let server = Server::start();
    assert_eq!(server.command(&rules()[0]), "OK");
    let redis = |host| Redis::server(host, server.port()).user("shop", "secret");
    everything_works(
        build(redis("127.0.0.1")).await,
        build(redis("localhost")).await,
    )
    .await;
}

#[tokio::test]
async fn the_rules_of_the_guide_are_enough_on_a_cluster() {
    if !forms_clusters() {
        return;
    }
    let cluster = Cluster::start();
    for node in &cluster.nodes {
        for rule in rules() {
            assert_eq!(node.command(&rule), "OK");
        }
    }
    let redis = |url: String| Redis::from(url).user("shop", "secret");
    let (one, other) = (redis(cluster.url()), redis(cluster.other_url()));
    everything_works(build(one).await, build(other).await).await;
}

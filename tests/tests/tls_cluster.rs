//! A cluster of several nodes over TLS that wants certificates of its clients and a named user: all is as without, also when
//! a node goes and comes back.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, ErrorKind, Event, Redis, Source, Tls, cached, invalidates};
use tests::{
    SOON,
    authority::{Authority, Identity},
    clusters::Cluster,
    server::{forms_clusters, speaks_tls},
};

/// A row is another one.
#[derive(Debug, Event)]
pub struct RowChanged {
    /// Which.
    pub id: u64,
}

static ROWS: [AtomicU64; 32] = [const { AtomicU64::new(0) }; 32];

#[cached(ttl = 1h, invalidate_on = RowChanged { id })]
async fn row(id: u64) -> u64 {
    ROWS[usize::try_from(id).unwrap()].load(SeqCst)
}

#[invalidates(RowChanged { id })]
async fn write(id: u64) -> u64 {
    ROWS[usize::try_from(id).unwrap()].fetch_add(1, SeqCst) + 1
}

#[cached(ttl = 1h, tiers = redis)]
async fn text(id: u64) -> String {
    format!("text {id}")
}

/// Of every node, from its start on.
const USER: [&str; 7] = ["--user", "shop", "on", ">s3cret", "~*", "&*", "+@all"];

struct Secured {
    authority: Authority,
    cluster: Cluster,
}

impl Secured {
    fn start() -> Self {
        let authority = Authority::new();
        let identity = authority.issue(&["127.0.0.1", "localhost"]);
        let cluster = Cluster::secured(&authority, &identity, &USER);
        Self { authority, cluster }
    }

    fn redis(&self, host: &str, client: Option<Identity>) -> Redis {
        let mut tls = Tls::new().roots(self.authority.pem.as_str());
        if let Some(Identity { certificate, key }) = client {
            tls = tls.client_certificate(certificate, key);
        }
        let nodes = self.cluster.nodes.iter().map(|node| (host, node.port()));
        Redis::cluster(nodes).tls(tls).user("shop", "s3cret")
    }

    async fn process(&self, host: &str) -> Cache {
        let client = self.authority.issue(&["shop"]);
        build(self.redis(host, Some(client))).await.unwrap()
    }
}

async fn build(redis: Redis) -> Result<Cache, cache_core::Error> {
    let builder = Cache::builder().namespace("shop").redis(redis);
    let builder = builder.redis_budget(Duration::from_millis(500));
    builder.require_redis().build().await
}

async fn read(cache: &Cache, id: u64) -> u64 {
    Cache::scope(cache.clone(), row(id)).await
}

/// Waits until what one loads the other finds, whatever primary has it.
async fn until_shared(one: &Cache, other: &Cache) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (begun, mut found) = (Instant::now(), 0);
    while found < 24 {
        assert!(begun.elapsed() < SOON, "{found} of 24 are shared");
        let ids: Vec<u64> = (0..24).map(|_| NEXT.fetch_add(1, SeqCst)).collect();
        for id in &ids {
            Cache::scope(one.clone(), text(*id)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        found = 0;
        for id in ids {
            let answer = Cache::scope(other.clone(), text(id).explain()).await;
            found += usize::from(answer.unwrap().source == Source::Redis);
        }
    }
}

async fn changes_arrive(one: &Cache, other: &Cache) {
    for id in 0..32 {
        read(other, id).await;
        let value = Cache::scope(one.clone(), write(id)).await;
        assert_eq!(read(one, id).await, value, "the writer sees it at once");
        let begun = Instant::now();
        while read(other, id).await != value {
            assert!(begun.elapsed() < SOON, "it is not heard of");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_over_tls_is_used_through_a_failover_and_the_return_of_a_node() {
    if !speaks_tls() || !forms_clusters() {
        return;
    }
    let mut secured = Secured::start();
    let (one, other) = (
        secured.process("127.0.0.1").await,
        secured.process("localhost").await,
    );
    until_shared(&one, &other).await;
    changes_arrive(&one, &other).await;

    let slot = secured.cluster.slot_of_tags("RowChanged");
    let former = secured.cluster.owner_of(slot);
    secured.cluster.nodes[former].kill();
    changes_arrive(&one, &other).await;
    assert_ne!(secured.cluster.wait_for_successor(former, slot), former);
    until_shared(&one, &other).await;
    changes_arrive(&one, &other).await;

    // It is another one by the same authority, as after a renewal.
    let renewed = secured.authority.issue(&["127.0.0.1", "localhost"]);
    let node = &mut secured.cluster.nodes[former];
    node.secure(&secured.authority, &renewed);
    node.start_again();
    secured.cluster.is_whole();
    until_shared(&one, &other).await;
    changes_arrive(&one, &other).await;
    let primaries = secured.cluster.primaries();
    for primary in primaries {
        let clients = primary.command(&["CLIENT", "LIST"]);
        let ours = clients.lines().filter(|it| it.contains("cache-core"));
        assert!(ours.clone().count() > 0);
        assert!(ours.clone().all(|it| it.contains("user=shop")), "{clients}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_let_in_is_told_why() {
    if !speaks_tls() || !forms_clusters() {
        return;
    }
    let secured = Secured::start();
    let refused = async |redis: Redis, words: &str| {
        let error = build(redis).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
    };
    let own = || Some(secured.authority.issue(&["shop"]));
    refused(
        secured.redis("127.0.0.1", None),
        "`Tls::client_certificate`",
    )
    .await;
    let stranger = Authority::new().issue(&["shop"]);
    let stranger = secured.redis("127.0.0.1", Some(stranger));
    refused(stranger, "`Tls::client_certificate`").await;
    let wrong = secured.redis("127.0.0.1", own()).user("shop", "hush");
    refused(wrong, "the user or the password").await;
}

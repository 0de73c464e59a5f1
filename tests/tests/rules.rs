//! The rules for users of Redis that the guide gives are enough, and as narrow as it says.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, Event, Redis, Source, cached, invalidates};
use tests::{
    SOON,
    clusters::Cluster,
    sentinels::Watched,
    server::{Server, forms_clusters},
    until,
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

#[cached(ttl = 1h, batch(id in ids), invalidate_on = RowChanged { id })]
async fn rows(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(ttl = 1h, tiers = redis)]
async fn text(id: u64, length: usize) -> String {
    format!("{id} {}", "x".repeat(length))
}

#[cached(ttl = 1h, fleet)]
async fn of_a_fleet(id: u64) -> u64 {
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

/// The commands of the guide.
struct Rules {
    server: Vec<&'static str>,
    sentinel: Vec<&'static str>,
    /// Behind those of a server.
    cluster: Vec<&'static str>,
}

impl Rules {
    fn of_the_guide() -> Self {
        let guide = include_str!("../../cache-core/docs/servers.md");
        let blocks = guide.split("```text\n").skip(1);
        let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
        let rules: Vec<Vec<_>> = blocks
            .map(|block| block.split_whitespace().collect())
            .collect();
        let [server, cluster, sentinel] = rules.try_into().unwrap();
        Self {
            server,
            sentinel,
            cluster,
        }
    }
}

/// The commands that a user may use after those rules.
fn allowed(rules: &[&'static str]) -> BTreeSet<&'static str> {
    let mut allowed = BTreeSet::new();
    for rule in rules {
        if let Some(command) = rule.strip_prefix('+') {
            allowed.insert(command);
        } else if let Some(command) = rule.strip_prefix('-') {
            allowed.remove(command);
        }
    }
    allowed
}

/// The commands that somebody has used.
fn used(server: &Server) -> BTreeSet<String> {
    let said = server.command(&["INFO", "commandstats"]);
    let names = said.lines().filter_map(|line| {
        let name = line.strip_prefix("cmdstat_")?.split(':').next()?;
        Some(name.to_owned())
    });
    names.collect()
}

/// One that is never used could be missing unnoticed.
fn are_all_used(allowed: &BTreeSet<&'static str>, used: &BTreeSet<String>) {
    for command in allowed {
        // Those before 7.0 do not tell subcommands apart.
        let of_old = command.split('|').next().unwrap();
        assert!(
            used.contains(*command) || used.contains(of_old),
            "`{command}` is for nothing, or not tried: {used:?}"
        );
    }
}

/// Also where the cache goes on without, it is refused nothing.
fn has_refused_nothing(server: &Server) {
    assert_eq!(server.command(&["ACL", "LOG"]), "");
}

async fn build(redis: Redis) -> Cache {
    let builder = Cache::builder().namespace("shop").redis(redis);
    let builder = builder.redis_budget(Duration::from_secs(5));
    builder.require_redis().build().await.unwrap()
}

fn user(url: String) -> Redis {
    Redis::from(url).user("shop", "secret")
}

/// Everything that a cache asks of Redis, between two that know nothing of each other but through it.
async fn everything_works(one: &Cache, other: &Cache) {
    Cache::scope(one.clone(), async {
        for id in 0..20 {
            row(id).await;
            text(id, 5).await;
        }
        text(0, 200_000).await;
        rows(&[1, 2, 3]).await;
        of_a_fleet(1).await;
    })
    .await;
    until("all of it is written", || {
        let stats = one.stats();
        let fills = |name| stats.function(name).map_or(0, |it| it.redis_fills);
        fills("row") >= 20 && fills("text") >= 21
    })
    .await;
    let found = Cache::scope(other.clone(), async {
        [
            row(7).explain().await.unwrap().source,
            text(7, 5).explain().await.unwrap().source,
            text(0, 200_000).explain().await.unwrap().source,
        ]
    });
    assert_eq!(found.await, [Source::Redis; 3]);
    events_arrive(one, other).await;
}

async fn events_arrive(one: &Cache, other: &Cache) {
    let (begun, heard) = (Instant::now(), other.stats().events.heard);
    Cache::scope(one.clone(), async {
        for id in 7..15 {
            write(id).await;
            // A busy machine may be late with a mark.
            while write_guarded(id).await.is_err() {
                assert!(begun.elapsed() < SOON, "it is refused");
            }
        }
        row(9).evict().await.unwrap();
        row(9).refresh().await.unwrap();
    })
    .await;
    until("all is acknowledged and heard", || {
        one.stats().events.pending == 0 && other.stats().events.heard >= heard + 16
    })
    .await;
}

#[tokio::test]
async fn the_rules_of_the_guide_are_what_a_server_is_asked_for() {
    for database in [0, 3] {
        let server = Server::start();
        let rules = Rules::of_the_guide().server;
        let of_database = rules.iter().map(|rule| match (*rule, database) {
            ("&shop:b", 3) => "&shop:b:3",
            (rule, _) => rule,
        });
        assert_eq!(server.command(&of_database.collect::<Vec<_>>()), "OK");
        server.command(&["CONFIG", "RESETSTAT"]);
        let redis = |url: String| user(url).database(database);
        let one = build(redis(server.url())).await;
        let other = build(redis(server.other_url())).await;
        everything_works(&one, &other).await;
        let (allowed, used) = (allowed(&rules), used(&server));
        are_all_used(&allowed, &used);
        // Some need no rule, and are in it to be seen.
        let other = used.iter().find(|used| {
            let of_old = |it: &&str| it.split('|').next() == Some(used);
            !used.starts_with("config")
                && !allowed.contains(used.as_str())
                && !allowed.iter().any(of_old)
        });
        assert_eq!(other, None, "the rules lack it");
        has_refused_nothing(&server);
        assert_eq!(one.close(SOON).await.fills, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_of_the_guide_are_enough_behind_sentinels() {
    let watched = Watched::start();
    let rules = Rules::of_the_guide();
    for server in &watched.servers {
        assert_eq!(server.command(&rules.server), "OK");
    }
    for sentinel in &watched.sentinels {
        assert_eq!(sentinel.command(&rules.sentinel), "OK");
    }
    let redis = |url: String| user(url).sentinel_user("shop", "secret");
    let elsewhere = watched.url().replace("127.0.0.1", "localhost");
    let (one, other) = (redis(watched.url()), redis(elsewhere));
    let (one, other) = (build(one).await, build(other).await);
    everything_works(&one, &other).await;
    // It is asked again each second whether it is still the primary.
    tokio::time::sleep(Duration::from_secs(2)).await;
    // One that answers late is asked over another connection then.
    until("all sentinels are asked", || {
        watched.sentinels.iter().all(|sentinel| {
            let clients = sentinel.command(&["CLIENT", "LIST"]);
            clients.contains("user=shop")
        })
    })
    .await;
    let all = watched.servers.iter().chain(&watched.sentinels);
    all.for_each(has_refused_nothing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_of_the_guide_are_enough_in_a_cluster_and_while_a_slot_is_being_moved() {
    if !forms_clusters() {
        return;
    }
    let cluster = Cluster::start();
    let rules = Rules::of_the_guide();
    for node in &cluster.nodes {
        assert_eq!(node.command(&rules.server), "OK");
        assert_eq!(node.command(&rules.cluster), "OK");
        node.command(&["CONFIG", "RESETSTAT"]);
    }
    let (one, other) = (user(cluster.url()), user(cluster.other_url()));
    let (one, other) = (build(one).await, build(other).await);
    everything_works(&one, &other).await;
    let slot = cluster.slot_of_tags("RowChanged");
    let to = (cluster.owner_of(slot) + 1) % 3;
    let from = cluster.open_slot(slot, to);
    // What has left, and what is not there yet, is asked of the one that is to have it.
    let source = &cluster.nodes[from];
    let keys = source.command(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "1000"]);
    let port = cluster.nodes[to].port().to_string();
    for key in keys.lines().step_by(2) {
        let moved = source.command(&["MIGRATE", "127.0.0.1", &port, key, "0", "1000"]);
        assert_eq!(moved, "OK");
    }
    events_arrive(&one, &other).await;
    cluster.move_slot(slot, to);
    // Both connect to the one that has it now.
    let (begun, heard) = (Instant::now(), other.stats().events.heard);
    while other.stats().events.heard == heard {
        assert!(begun.elapsed() < SOON, "nobody listens there");
        Cache::scope(one.clone(), write(7)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    events_arrive(&one, &other).await;
    let used = cluster.nodes.iter().flat_map(used).collect();
    are_all_used(&allowed(&[rules.server, rules.cluster].concat()), &used);
    cluster.nodes.iter().for_each(has_refused_nothing);
    assert_eq!(one.close(SOON).await.fills, 0);
}

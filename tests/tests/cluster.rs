//! Redis Cluster: all that holds on one server holds on several, whoever of them has what.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, Error, ErrorKind, Event, Redis, Source, cached, invalidates};
use tests::{
    SOON,
    clusters::Cluster,
    loads,
    server::{Server, forms_clusters},
};

/// A row is another one.
#[derive(Debug, Event)]
pub struct RowChanged {
    /// Which.
    pub id: u64,
}

/// All of a table is.
#[derive(Debug, Event)]
pub struct TableChanged {
    /// Which.
    pub table: u64,
}

/// Whoever changes rows is alone with them: tests of one process share them.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The version of each row.
static ROWS: [AtomicU64; 256] = [const { AtomicU64::new(0) }; 256];

#[cached(ttl = 1h, invalidate_on = [RowChanged { id }, TableChanged { table: id % 3 }])]
async fn row(id: u64) -> u64 {
    ROWS[usize::try_from(id).unwrap()].load(SeqCst)
}

#[cached(batch(id in ids), ttl = 1h, invalidate_on = RowChanged { id })]
async fn rows(ids: &[u64]) -> HashMap<u64, u64> {
    let rows = ids.iter().map(|id| (*id, row_of(*id)));
    rows.collect()
}

fn row_of(id: u64) -> u64 {
    ROWS[usize::try_from(id).unwrap()].load(SeqCst)
}

#[invalidates(RowChanged { id })]
async fn write(id: u64) -> u64 {
    ROWS[usize::try_from(id).unwrap()].fetch_add(1, SeqCst) + 1
}

#[invalidates(RowChanged { id }, guarded)]
async fn write_guarded(id: u64) -> Result<u64, cache_core::Refused> {
    Ok(ROWS[usize::try_from(id).unwrap()].fetch_add(1, SeqCst) + 1)
}

#[cached(ttl = 1h, tiers = redis)]
async fn text(id: u64) -> String {
    format!("text {id}")
}

/// Nothing where there can be no cluster.
async fn alone() -> Option<tokio::sync::MutexGuard<'static, ()>> {
    if forms_clusters() {
        Some(ALONE.lock().await)
    } else {
        None
    }
}

async fn build(redis: impl Into<Redis>) -> Result<Cache, Error> {
    let builder = Cache::builder().namespace("shop").redis(redis);
    let builder = builder.redis_budget(Duration::from_millis(500));
    builder.require_redis().build().await
}

/// Two caches that know nothing of each other but through the cluster.
async fn processes(cluster: &Cluster) -> (Cache, Cache) {
    let one = build(cluster.url()).await.unwrap();
    (one, build(cluster.other_url()).await.unwrap())
}

async fn read(cache: &Cache, id: u64) -> u64 {
    Cache::scope(cache.clone(), row(id)).await
}

async fn change(cache: &Cache, id: u64) -> u64 {
    Cache::scope(cache.clone(), write(id)).await
}

/// How long it takes until this process has it.
async fn until_read(cache: &Cache, id: u64, value: u64) -> Duration {
    let begun = Instant::now();
    while read(cache, id).await != value {
        assert!(begun.elapsed() < SOON, "it is not heard of");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    begun.elapsed()
}

/// Waits until what one process loads another finds, whatever primary has it.
async fn until_shared(one: &Cache, other: &Cache) -> Duration {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let begun = Instant::now();
    loop {
        let ids: Vec<u64> = (0..24).map(|_| NEXT.fetch_add(1, SeqCst)).collect();
        for id in &ids {
            Cache::scope(one.clone(), text(*id)).await;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        let mut found = 0;
        for id in ids {
            let answer = Cache::scope(other.clone(), text(id).explain()).await;
            found += usize::from(answer.unwrap().source == Source::Redis);
        }
        if found == 24 {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < SOON, "{found} of 24 are shared");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_and_events_travel_between_processes_whoever_has_them() {
    let Some(_alone) = alone().await else {
        return;
    };
    let cluster = Cluster::start();
    let (one, other) = processes(&cluster).await;
    until_shared(&one, &other).await;
    for id in 0..100 {
        read(&one, id).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut found = 0;
    for id in 0..100 {
        let answer = Cache::scope(other.clone(), row(id).explain())
            .await
            .unwrap();
        found += usize::from(answer.source == Source::Redis);
        assert!(answer.stamps.len() >= 2);
    }
    assert_eq!(found, 100, "one round trip finds the entry and its tags");
    let keys = cluster.keys();
    let tags = keys.iter().filter(|key| key.starts_with("shop:t:{"));
    assert!(tags.count() > 100, "{keys:?}");
    assert!(keys.iter().all(|key| key.starts_with("shop:")));

    for id in 0..100 {
        let value = change(&one, id).await;
        assert_eq!(read(&one, id).await, value, "the writer sees it at once");
        let took = until_read(&other, id, value).await;
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    Cache::scope(one.clone(), async {
        let cache = Cache::current();
        ROWS[3].fetch_add(1, SeqCst);
        cache.emit(TableChanged { table: 0 }).await.unwrap();
    })
    .await;
    until_read(&other, 3, row_of(3)).await;
    println!("{:?}", one.stats().events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_read_from_all_primaries_and_guarded_mutations_mark_on_theirs() {
    let Some(_alone) = alone().await else {
        return;
    };
    let cluster = Cluster::start();
    let (one, other) = processes(&cluster).await;
    let ids: Vec<u64> = (0..200).collect();
    Cache::scope(one.clone(), rows(&ids)).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let found = Cache::scope(other.clone(), rows(&ids)).await;
    assert_eq!(found.len(), 200);
    assert_eq!(loads(&other), 0, "all of them are found");
    let value = Cache::scope(one.clone(), write_guarded(7)).await.unwrap();
    assert_eq!(Cache::scope(one.clone(), rows(&[7])).await[&7], value);
    let begun = Instant::now();
    while Cache::scope(other.clone(), rows(&[7])).await[&7] != value {
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_all_primaries_prove_is_served_without_a_question() {
    let Some(_alone) = alone().await else {
        return;
    };
    let cluster = Cluster::start();
    let (one, _) = processes(&cluster).await;
    for id in 0..60 {
        read(&one, id).await;
    }
    let before = one.stats().events;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for id in 0..60 {
            let answer = Cache::scope(one.clone(), row(id).explain()).await.unwrap();
            assert_eq!(answer.source, Source::Memory);
        }
    }
    let after = one.stats().events;
    assert_eq!(after.suspects, before.suspects);
    assert_eq!((after.gaps, after.lineages), (before.gaps, before.lineages));

    // One that hangs proves nothing, and what is proven by the others does not count for it.
    let hung = &cluster.nodes[cluster.owner_of(cluster.slot_of_tags("RowChanged"))];
    hung.pause();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let mut unproven = 0;
    for id in 0..60 {
        let answer = Cache::scope(one.clone(), row(id).explain()).await.unwrap();
        unproven += usize::from(answer.source != Source::Memory);
    }
    hung.resume();
    assert!(unproven > 0, "what nobody proves is not served");
    cluster.is_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_dies_is_followed_by_its_replica() {
    let Some(_alone) = alone().await else {
        return;
    };
    let mut cluster = Cluster::start();
    let (one, other) = processes(&cluster).await;
    until_shared(&one, &other).await;
    for id in 0..60 {
        read(&one, id).await;
        read(&other, id).await;
    }
    let slot = cluster.slot_of_tags("RowChanged");
    let former = cluster.owner_of(slot);
    cluster.nodes[former].kill();
    // Nothing of this process is stale, and the rest hears it in time or within the bound.
    let mut slowest = Duration::ZERO;
    for id in 0..60 {
        let value = change(&one, id).await;
        let begun = Instant::now();
        assert_eq!(read(&one, id).await, value);
        slowest = slowest.max(begun.elapsed());
    }
    let _ = cluster.wait_for_successor(former, slot);
    let took = until_shared(&one, &other).await;
    println!("shared again {took:?} after there was a successor; a call took {slowest:?} at most");
    for id in 0..60 {
        until_read(&other, id, row_of(id)).await;
    }
    // The former one is there again, as a replica.
    cluster.nodes[former].start_again();
    cluster.is_whole();
    until_shared(&one, &other).await;
    for id in 0..60 {
        let value = change(&other, id).await;
        let took = until_read(&one, id, value).await;
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

/// Of these, those that Redis answers, and the others.
async fn shared(cache: &Cache, ids: impl IntoIterator<Item = u64>) -> (Vec<u64>, Vec<u64>) {
    let explained = ids.into_iter().map(async |id| {
        let answer = Cache::scope(cache.clone(), text(id).explain()).await;
        (id, answer.unwrap().source == Source::Redis)
    });
    let answers = futures::future::join_all(explained).await;
    let (shared, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, is)| *is);
    let ids = |answers: Vec<(u64, bool)>| answers.into_iter().map(|(id, _)| id).collect();
    (ids(shared), ids(others))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_primary_hangs_the_others_are_asked_all_the_same() {
    let Some(_alone) = alone().await else {
        return;
    };
    // Nobody takes its place meanwhile.
    let cluster = Cluster::with(&["--cluster-node-timeout", "60000"]);
    let (one, other) = processes(&cluster).await;
    until_shared(&one, &other).await;
    let ids = 10_000..10_060;
    shared(&one, ids.clone()).await;
    let begun = Instant::now();
    while shared(&other, ids.clone()).await.0.len() < 60 {
        assert!(begun.elapsed() < SOON, "they are not written");
    }
    cluster.nodes[0].pause();
    let (answered, hung) = shared(&other, ids.clone()).await;
    assert!(
        answered.len() > 20 && hung.len() > 5,
        "{answered:?} {hung:?}"
    );
    for _ in 0..5 {
        shared(&other, hung.clone()).await;
    }
    let (_, unanswered) = shared(&other, answered).await;
    assert!(unanswered.is_empty(), "{unanswered:?}");
    let begun = Instant::now();
    shared(&other, hung.clone()).await;
    let took = begun.elapsed();
    println!("nobody waits for it: {took:?}");
    cluster.nodes[0].resume();
    let begun = Instant::now();
    while shared(&other, ids.clone()).await.0.len() < 60 {
        assert!(begun.elapsed() < SOON, "it is not asked again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_are_followed_and_their_events_heard() {
    let Some(_alone) = alone().await else {
        return;
    };
    let cluster = Cluster::start();
    let (one, other) = processes(&cluster).await;
    until_shared(&one, &other).await;
    for id in 0..60 {
        read(&one, id).await;
        read(&other, id).await;
    }
    for event in ["RowChanged", "TableChanged", "RowChanged"] {
        let slot = cluster.slot_of_tags(event);
        let target = (cluster.owner_of(slot) + 1) % 3;
        cluster.move_slot(slot, target);
        for id in 0..60 {
            let value = change(&one, id).await;
            assert_eq!(read(&one, id).await, value);
            until_read(&other, id, value).await;
        }
    }
    until_shared(&one, &other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_slot_is_being_moved_its_events_arrive_and_the_rest_is_as_ever() {
    let Some(_alone) = alone().await else {
        return;
    };
    let cluster = Cluster::start();
    let (one, other) = processes(&cluster).await;
    for id in 0..10 {
        read(&one, id).await;
        read(&other, id).await;
    }
    let slot = cluster.slot_of_tags("RowChanged");
    let from = cluster.owner_of(slot);
    let (source, target) = (&cluster.nodes[from], &cluster.nodes[(from + 1) % 3]);
    assert_eq!(cluster.open_slot(slot, (from + 1) % 3), from);
    // Half of its keys are moved: those of even rows, and not what all of them have in common.
    let keys = source.command(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "1000"]);
    let is_even = |key: &&str| key.ends_with(['0', '2', '4', '6', '8']);
    for key in keys.lines().filter(is_even) {
        let port = target.port().to_string();
        let moved = source.command(&["MIGRATE", "127.0.0.1", &port, key, "0", "1000"]);
        assert_eq!(moved, "OK");
    }
    for id in 0..10 {
        let value = change(&one, id).await;
        assert_eq!(read(&one, id).await, value);
        let took = until_read(&other, id, value).await;
        assert!(took < Duration::from_secs(2), "{took:?}");
        let guarded = Cache::scope(one.clone(), write_guarded(id)).await.unwrap();
        assert_eq!(read(&one, id).await, guarded);
        until_read(&other, id, guarded).await;
    }
    assert_eq!(one.stats().events.pending, 0);
    // Entries of other events are shared all the while.
    until_shared(&one, &other).await;
    cluster.move_slot(slot, (from + 1) % 3);
    for id in 0..10 {
        let value = change(&other, id).await;
        until_read(&one, id, value).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_while_a_primary_has_no_successor_tells_and_hears_the_others() {
    let Some(_alone) = alone().await else {
        return;
    };
    let mut cluster = Cluster::start();
    let one = build(cluster.url()).await.unwrap();
    for id in 0..10 {
        read(&one, id).await;
    }
    let there = cluster.owner_of(cluster.slot_of_tags("RowChanged"));
    let gone = (there + 1) % 3;
    cluster.nodes[gone].kill();
    cluster.nodes[gone + 3].kill();
    let begun = Instant::now();
    while !cluster.nodes[there]
        .command(&["CLUSTER", "NODES"])
        .contains("master,fail ")
    {
        assert!(begun.elapsed() < SOON, "it is not taken for dead");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let late = Cache::builder()
        .namespace("shop")
        .redis(cluster.other_url());
    let late = late.build().await.unwrap();
    until_heard_of_each_other(&one, &late).await;
    for id in 0..10 {
        // Nobody else says the event of a table that the row is of.
        read(&one, id).await;
        let value = change(&late, id).await;
        let took = until_read(&one, id, value).await;
        assert!(took < Duration::from_secs(2), "{took:?}");
        let value = change(&one, id).await;
        let took = until_read(&late, id, value).await;
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

/// Waits until each hears what the other says.
async fn until_heard_of_each_other(one: &Cache, other: &Cache) {
    let begun = Instant::now();
    let heard = |cache: &Cache| cache.stats().events.heard;
    let (by_one, by_other) = (heard(one), heard(other));
    while heard(one) == by_one || heard(other) == by_other {
        change(one, 255).await;
        change(other, 255).await;
        assert!(begun.elapsed() < SOON, "they do not hear each other");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_by_hand_loses_nothing() {
    let Some(_alone) = alone().await else {
        return;
    };
    let cluster = Cluster::start();
    let (one, other) = processes(&cluster).await;
    until_shared(&one, &other).await;
    for id in 0..60 {
        read(&other, id).await;
    }
    let slot = cluster.slot_of_tags("RowChanged");
    let former = cluster.owner_of(slot);
    assert_eq!(
        cluster.nodes[former + 3].command(&["CLUSTER", "FAILOVER"]),
        "OK"
    );
    for id in 0..60 {
        let value = change(&one, id).await;
        assert_eq!(read(&one, id).await, value);
        until_read(&other, id, value).await;
    }
    assert_ne!(cluster.wait_for_successor(former, slot), former);
    until_shared(&one, &other).await;
}

#[tokio::test]
async fn what_is_no_cluster_and_what_is_one_is_said() {
    let Some(_alone) = alone().await else {
        return;
    };
    let server = Server::start();
    let url = format!("redis-cluster://127.0.0.1:{}", server.port());
    let error = build(url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("`redis://`"), "{error}");

    let node = Server::node(&[]);
    let error = build(node.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("`redis-cluster://`"), "{error}");

    let nobody = Server::absent();
    let url = format!("redis-cluster://127.0.0.1:{}", nobody.port());
    let error = build(url.as_str()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let begun = Instant::now();
    let cache = Cache::builder().redis(url).build().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(Cache::scope(cache, text(1)).await, "text 1");

    let braces = Cache::builder()
        .namespace("a{b}")
        .redis("redis-cluster://host");
    let error = braces.build().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_sign_in_at_every_node() {
    let Some(_alone) = alone().await else {
        return;
    };
    let cluster = Cluster::with(&["--requirepass", "s3cret", "--masterauth", "s3cret"]);
    let error = build(cluster.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    let error = build(Redis::from(cluster.url()).password("hush")).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(!format!("{error:?}").contains("hush"));
    let one = build(Redis::from(cluster.url()).password("s3cret"))
        .await
        .unwrap();
    let other = Redis::from(cluster.other_url()).password("s3cret");
    until_shared(&one, &build(other).await.unwrap()).await;
}

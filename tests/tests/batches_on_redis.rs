//! Functions of many keys beside a real server: how many commands their calls cost.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use cache_core::{Cache, Event, TimedOut, cached};
use tests::{on_both_runtimes, server::Server};

/// A thing is another one.
#[derive(Debug, Event)]
pub struct ThingChanged {
    /// Which.
    pub id: u64,
}

#[cached(ttl = 1h, batch(id in ids, max = 10_000))]
async fn things(ids: &[u64]) -> HashMap<u64, String> {
    rows(ids)
}

#[cached(ttl = 1h, batch(id in ids, max = 10_000), invalidate_on = ThingChanged { id })]
async fn watched(ids: &[u64]) -> HashMap<u64, String> {
    rows(ids)
}

fn rows(ids: &[u64]) -> HashMap<u64, String> {
    ids.iter().map(|id| (*id, format!("thing {id}"))).collect()
}

/// How often a body ran.
#[derive(Clone, Default)]
struct Runs(Arc<AtomicUsize>);

#[derive(Clone, Debug, PartialEq)]
struct Slow;

impl From<TimedOut> for Slow {
    fn from(_: TimedOut) -> Self {
        Self
    }
}

#[cached(
    ttl = 1h,
    skip(runs),
    batch(id in ids, max = 10_000),
    strategy = stale_if_error(1h),
    soft_timeout = 5s,
    timeout = 10s,
    invalidate_on = ThingChanged { id }
)]
async fn bounded(runs: &Runs, ids: &[u64]) -> Result<HashMap<u64, String>, Slow> {
    runs.0.fetch_add(1, Relaxed);
    Ok(rows(ids))
}

async fn cache(server: &Server, namespace: &str) -> Cache {
    // What is not optimized takes its time for thousands of answers.
    let builder = Cache::builder().redis_budget(Duration::from_secs(2));
    let builder = builder.namespace(namespace).redis(server.url());
    builder.build().await.unwrap()
}

/// How often the server was asked for this.
fn calls(server: &Server, command: &str) -> u64 {
    let stats = server.command(&["INFO", "commandstats"]);
    let prefix = format!("cmdstat_{command}:calls=");
    let calls = stats.lines().find_map(|line| line.strip_prefix(&prefix));
    let calls = calls.and_then(|calls| calls.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

/// How often entries were asked for.
fn reads(server: &Server) -> u64 {
    calls(server, "get") + calls(server, "mget")
}

async fn filled(
    server: &Server,
    namespace: &str,
    call: impl AsyncFn(&[u64]),
    ids: &[u64],
) -> Cache {
    let writer = cache(server, namespace).await;
    Cache::scope(writer.clone(), call(ids)).await;
    assert_eq!(writer.close(tests::SOON).await.fills, 0);
    cache(server, namespace).await
}

#[test]
fn a_thousand_keys_that_redis_has_cost_one_command() {
    let server = Server::start();
    on_both_runtimes(|_| async {
        let ids: Vec<u64> = (0..1_000).collect();
        let namespace = format!("n{}", calls(&server, "set"));
        let call = async |ids: &[u64]| assert_eq!(things(ids).await.len(), ids.len());
        let reader = filled(&server, &namespace, call, &ids).await;
        let before = (calls(&server, "get"), calls(&server, "mget"));
        Cache::scope(reader.clone(), call(&ids)).await;
        let after = (calls(&server, "get"), calls(&server, "mget"));
        assert_eq!(after, (before.0, before.1 + 1));
        assert_eq!(tests::loads(&reader), 0);
    });
}

#[test]
fn a_thousand_keys_with_events_that_redis_has_cost_one_command() {
    let server = Server::start();
    on_both_runtimes(|_| async {
        let ids: Vec<u64> = (0..1_000).collect();
        let namespace = format!("n{}", calls(&server, "set"));
        let call = async |ids: &[u64]| assert_eq!(watched(ids).await.len(), ids.len());
        let reader = filled(&server, &namespace, call, &ids).await;
        let before = calls(&server, "mget");
        Cache::scope(reader.clone(), call(&ids)).await;
        assert_eq!(calls(&server, "mget"), before + 1);
        assert_eq!(tests::loads(&reader), 0);
        reader.emit(ThingChanged { id: 7 }).await.unwrap();
        Cache::scope(reader.clone(), call(&ids)).await;
        assert_eq!(tests::loads(&reader), 1);
    });
}

#[test]
fn a_thousand_keys_that_nobody_has_get_their_versions_in_few_commands() {
    let server = Server::start();
    on_both_runtimes(|_| async {
        let ids: Vec<u64> = (0..1_000).collect();
        let namespace = format!("n{}", calls(&server, "set"));
        let cache = cache(&server, &namespace).await;
        let scripts = || calls(&server, "evalsha") + calls(&server, "eval");
        let before = (scripts(), calls(&server, "mget"));
        Cache::scope(cache.clone(), watched(&ids)).await;
        // Where the server does not know the script yet, it is sent once more.
        assert!(scripts() <= before.0 + 4, "{before:?}, then {}", scripts());
        assert_eq!(calls(&server, "mget"), before.1 + 1);
        assert_eq!(tests::loads(&cache), 1_000);
    });
}

#[test]
fn a_thousand_keys_under_time_limits_cost_one_read_and_one_load() {
    let server = Server::start();
    on_both_runtimes(|_| async {
        let ids: Vec<u64> = (0..1_000).collect();
        let namespace = format!("n{}", calls(&server, "set"));
        let runs = Runs::default();
        let call =
            async |ids: &[u64]| assert_eq!(bounded(&runs, ids).await.unwrap().len(), ids.len());
        let before = calls(&server, "mget");
        let reader = filled(&server, &namespace, call, &ids).await;
        assert_eq!(calls(&server, "mget"), before + 1);
        assert_eq!(runs.0.load(Relaxed), 1);

        let before = calls(&server, "mget");
        Cache::scope(reader.clone(), call(&ids)).await;
        assert_eq!(calls(&server, "mget"), before + 1);
        assert_eq!(tests::loads(&reader), 0);

        reader.emit(ThingChanged { id: 7 }).await.unwrap();
        Cache::scope(reader.clone(), call(&ids)).await;
        assert_eq!(tests::loads(&reader), 1);
    });
}

#[cached(ttl = 1h, timeout = 100ms, batch(id in ids), invalidate_on = ThingChanged { id })]
async fn hurried(ids: &[u64]) -> Result<HashMap<u64, String>, Slow> {
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(rows(ids))
}

#[test]
fn the_time_limit_of_a_call_of_many_keys_holds_while_they_are_read() {
    let server = Server::start();
    on_both_runtimes(|_| async {
        // It waits for Redis for two seconds, were it not for the limit.
        let namespace = format!("n{}", calls(&server, "set"));
        let cache = cache(&server, &namespace).await;
        Cache::scope(cache.clone(), async {
            server.pause();
            let begun = Instant::now();
            assert_eq!(hurried(&[1, 2, 3]).await, Err(Slow));
            let took = begun.elapsed();
            server.resume();
            assert!(took >= Duration::from_millis(100), "{took:?}");
            assert!(took < Duration::from_secs(1), "{took:?}");
            // What was begun goes on, and is kept.
            while hurried(&[1, 2, 3]).await.is_err() {}
            assert_eq!(tests::loads(&cache), 3);
        })
        .await;
    });
}

#[test]
fn more_keys_than_one_command_takes_are_read_at_once() {
    let server = Server::start();
    on_both_runtimes(|_| async {
        let ids: Vec<u64> = (0..6_000).collect();
        let namespace = format!("n{}", calls(&server, "set"));
        let call = async |ids: &[u64]| assert_eq!(things(ids).await.len(), ids.len());
        let reader = filled(&server, &namespace, call, &ids).await;
        let before = reads(&server);
        Cache::scope(reader.clone(), call(&ids)).await;
        assert_eq!(reads(&server), before + 2);
        assert_eq!(tests::loads(&reader), 0);
    });
}

#[test]
fn a_call_that_is_dropped_while_it_reads_leaves_its_keys_to_others() {
    let server = Server::start();
    on_both_runtimes(|_| async {
        let ids: Vec<u64> = (0..100).collect();
        let namespace = format!("n{}", calls(&server, "set"));
        let call = async |ids: &[u64]| assert_eq!(watched(ids).await.len(), ids.len());
        let reader = filled(&server, &namespace, call, &ids).await;
        Cache::scope(reader.clone(), async {
            for _ in 0..20 {
                let _ = tokio::time::timeout(Duration::ZERO, call(&ids)).await;
            }
            call(&ids).await;
        })
        .await;
        assert_eq!(tests::loads(&reader), 0);
    });
}

#[cached(ttl = 1h)]
async fn made_of(count: u64) -> usize {
    let ids: Vec<u64> = (0..count).collect();
    things(&ids).await.len()
}

#[test]
fn a_batch_within_a_load_costs_one_command_too() {
    let server = Server::start();
    on_both_runtimes(|_| async {
        let ids: Vec<u64> = (0..1_000).collect();
        let namespace = format!("n{}", calls(&server, "set"));
        let call = async |ids: &[u64]| assert_eq!(things(ids).await.len(), ids.len());
        let reader = filled(&server, &namespace, call, &ids).await;
        let before = calls(&server, "mget");
        assert_eq!(Cache::scope(reader.clone(), made_of(1_000)).await, 1_000);
        assert_eq!(calls(&server, "mget"), before + 1);
        assert_eq!(tests::loads(&reader), 1);
    });
}

#[cached(ttl = 1h, batch(id in ids))]
async fn large(ids: &[u64]) -> HashMap<u64, String> {
    ids.iter().map(|id| (*id, "x".repeat(100_000))).collect()
}

#[test]
fn more_keys_than_go_in_one_command_or_more_bytes_cost_several() {
    let server = Server::start();
    on_both_runtimes(|_| async {
        let namespace = format!("n{}", calls(&server, "set"));
        let ids: Vec<u64> = (0..4_097).collect();
        let call = async |ids: &[u64]| assert_eq!(things(ids).await.len(), ids.len());
        let reader = filled(&server, &namespace, call, &ids).await;
        let before = reads(&server);
        Cache::scope(reader.clone(), call(&ids)).await;
        assert_eq!(reads(&server), before + 2, "of 4,096 keys");

        let call = async |ids: &[u64]| assert_eq!(large(ids).await.len(), ids.len());
        let reader = filled(&server, &namespace, call, &ids[..10]).await;
        // One shows how large they are.
        Cache::scope(reader.clone(), call(&ids[..1])).await;
        let before = reads(&server);
        Cache::scope(reader.clone(), call(&ids[1..10])).await;
        assert_eq!(reads(&server), before + 3, "of 256 KiB");
        assert_eq!(tests::loads(&reader), 0);
    });
}

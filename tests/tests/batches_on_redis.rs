//! Functions of many keys beside a real server: how many commands their calls cost.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{collections::HashMap, time::Duration};

use cache_core::{Cache, Event, cached};
use tests::{on_both_runtimes, server::Server};

/// A thing is another one.
#[derive(Debug, Event)]
pub struct ThingChanged {
    /// Which.
    pub id: u64,
}

#[cached(ttl = 1h, batch(id in ids, max = 10_000))]
async fn things(ids: &[u64]) -> HashMap<u64, String> {
    ids.iter().map(|id| (*id, format!("thing {id}"))).collect()
}

#[cached(ttl = 1h, batch(id in ids, max = 10_000), invalidate_on = ThingChanged { id })]
async fn watched(ids: &[u64]) -> HashMap<u64, String> {
    ids.iter().map(|id| (*id, format!("thing {id}"))).collect()
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

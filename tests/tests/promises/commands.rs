//! How many commands the calls of many keys cost.

use super::*;

// How many commands.

#[cached(
    ttl = 1h, skip(source), strategy = stale_if_error(1h), soft_timeout = 2s, timeout = 4s,
    batch(id in ids, max = 10_000), invalidate_on = Changed { id }
)]
pub(super) async fn soft(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

pub(super) fn calls(server: &Server, command: &str) -> u64 {
    let stats = server.command(&["INFO", "commandstats"]);
    let prefix = format!("cmdstat_{command}:calls=");
    let calls = stats.lines().find_map(|line| line.strip_prefix(&prefix));
    let calls = calls.and_then(|calls| calls.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

pub(super) fn reads(server: &Server) -> u64 {
    calls(server, "get") + calls(server, "mget")
}

pub(super) async fn real(server: &Server, namespace: &str) -> Cache {
    let builder = Cache::builder().redis_budget(2 * SECOND);
    let builder = builder.namespace(namespace).redis(server.url());
    builder.build().await.unwrap()
}

/// What an event made void may be served by nobody: it is as if memory did not have it.
#[test]
fn keys_that_events_made_void_are_read_in_one_command_under_a_soft_timeout() {
    let server = Server::start();
    on_both_runtimes(|_| async {
        let ids: Vec<u64> = (0..500).collect();
        let namespace = format!("n{}", server.command(&["INCR", "n"]));
        let cache = real(&server, &namespace).await;
        let source = Source::default();
        Cache::scope(cache.clone(), async {
            soft(&source, &ids).await.unwrap();
            tokio::time::sleep(300 * MS).await;
            let events: Vec<_> = ids.iter().map(|id| Changed { id: *id }).collect();
            cache.emit(events).await.unwrap();
            let before = reads(&server);
            soft(&source, &ids).await.unwrap();
            let read = reads(&server) - before;
            assert_eq!(source.loads(), 2);
            assert_eq!(read, 1, "commands for 500 void keys");
        })
        .await;
    });
}

#[cached(ttl = 1h, skip(source), timeout = 4s, batch(id in ids, max = 10_000))]
pub(super) async fn bounded(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

// More commands.

#[cached(ttl = 1h, skip(source), batch(id in ids, max = 10_000), invalidate_on = Changed { id })]
pub(super) async fn plain(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

#[cached(ttl = 1h, skip(source), timeout = 4s, batch(id in ids, max = 10_000), invalidate_on = Changed { id })]
pub(super) async fn limited(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

pub(super) async fn commands_for_suspects(
    server: &Server,
    call: impl AsyncFn(&Source, &[u64]),
) -> u64 {
    let ids: Vec<u64> = (0..300).collect();
    let proxy = tests::proxy::Proxy::to(server);
    let namespace = format!("n{}", server.command(&["INCR", "n"]));
    let builder = Cache::builder()
        .redis_budget(2 * SECOND)
        .namespace(&namespace);
    let cache = builder.redis(proxy.url()).build().await.unwrap();
    let source = Source::default();
    Cache::scope(cache.clone(), call(&source, &ids)).await;
    tokio::time::sleep(500 * MS).await;
    let gaps = cache.stats().events.gaps;
    proxy.refuse();
    proxy.close_all();
    tokio::time::sleep(300 * MS).await;
    proxy.pass();
    tests::until("it hears again", || cache.stats().events.gaps > gaps).await;
    tokio::time::sleep(6 * SECOND).await;
    let before = reads(server);
    let suspects = cache.stats().events.suspects;
    Cache::scope(cache.clone(), call(&source, &ids)).await;
    eprintln!(
        "{} suspects, {} loads",
        cache.stats().events.suspects - suspects,
        source.loads()
    );
    reads(server) - before
}

#[test]
fn suspects_without_a_time_limit_are_asked_about_in_few_commands() {
    let server = Server::start();
    on_both_runtimes(|_| async {
        let call = async |source: &Source, ids: &[u64]| drop(plain(source, ids).await.unwrap());
        let commands = commands_for_suspects(&server, call).await;
        assert!(commands <= 2, "{commands}");
    });
}

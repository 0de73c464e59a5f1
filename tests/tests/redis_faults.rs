//! A real Redis that misbehaves while it is used: every call returns the right value within its budget,
//! and the cache is whole again by itself within seconds.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, RedisMiss, Source, cached};
use tests::{Random, proxy::Proxy, server::Server, until};
use tokio::task::JoinSet;

const BUDGET: Duration = Duration::from_millis(100);
/// What a busy machine with several servers may add to a call.
const SLACK: Duration = Duration::from_millis(900);
/// Within which the cache has to be whole again.
const WHOLE_WITHIN: Duration = Duration::from_secs(6);

/// Each call of it asks Redis.
#[cached(ttl = 1h, tiers = redis)]
async fn small(n: u64) -> String {
    format!("value {n}")
}

/// Goes its own way to Redis.
#[cached(ttl = 1h, tiers = redis)]
async fn large(n: u64) -> Vec<u64> {
    vec![n; 30_000]
}

/// In memory for a moment only.
#[cached(ttl = 20ms)]
async fn brief(n: u64) -> (u64, String) {
    (n, n.to_string())
}

async fn process(url: &str) -> Cache {
    let builder = Cache::builder().redis(url).redis_budget(BUDGET);
    builder.build().await.unwrap()
}

/// Callers that go on until they are told to end.
struct Traffic {
    ends: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    tasks: JoinSet<Duration>,
}

impl Traffic {
    fn start(cache: &Cache) -> Self {
        let mut traffic = Self {
            ends: Arc::default(),
            calls: Arc::default(),
            tasks: JoinSet::new(),
        };
        for caller in 0..16 {
            let (ends, calls) = (Arc::clone(&traffic.ends), Arc::clone(&traffic.calls));
            let calling = async move {
                let random = Random::of_seed(caller);
                let mut slowest = Duration::ZERO;
                while !ends.load(Relaxed) {
                    let begin = Instant::now();
                    let n = random.below(500) as u64;
                    match random.below(20) {
                        0 => assert!(large(n % 10).await == vec![n % 10; 30_000], "{n}"),
                        1..10 => assert_eq!(small(n).await, format!("value {n}")),
                        _ => assert_eq!(brief(n).await, (n, n.to_string())),
                    }
                    slowest = slowest.max(begin.elapsed());
                    calls.fetch_add(1, Relaxed);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                slowest
            };
            traffic.tasks.spawn(Cache::scope(cache.clone(), calling));
        }
        traffic
    }

    /// Ends it; every call has returned what it should, and in time.
    async fn end(self, what: &str) {
        self.ends.store(true, Relaxed);
        let slowest = self.tasks.join_all().await.into_iter().max().unwrap();
        assert!(slowest < BUDGET + SLACK, "{what}: a call took {slowest:?}");
        let calls = self.calls.load(Relaxed);
        assert!(calls > 100, "{what}: only {calls} calls");
    }
}

/// Waits until what one process loads another finds in Redis.
async fn until_whole(what: &str, here: &Cache, url: &str) {
    let begin = Instant::now();
    for n in 1_000_000.. {
        let there = process(url).await;
        Cache::scope(here.clone(), small(n)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let answer = Cache::scope(there, small(n).explain()).await.unwrap();
        if answer.source == Source::Redis {
            return;
        }
        assert!(begin.elapsed() < WHOLE_WITHIN, "{what}: {answer:?}");
    }
}

async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_absent_at_the_start_is_used_when_it_comes() {
    let mut server = Server::absent();
    let cache = process(&server.url()).await;
    let traffic = Traffic::start(&cache);
    pause(500).await;
    server.start_again();
    until_whole("absent", &cache, &server.url()).await;
    traffic.end("absent").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_restarted_costs_nothing_but_speed() {
    let mut server = Server::start();
    let cache = process(&server.url()).await;
    let traffic = Traffic::start(&cache);
    for _ in 0..2 {
        pause(300).await;
        server.kill();
        pause(700).await;
        server.start_again();
        until_whole("killed", &cache, &server.url()).await;
    }
    traffic.end("killed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_holds_calls_for_their_budget_at_most() {
    let server = Server::start();
    let cache = process(&server.url()).await;
    let traffic = Traffic::start(&cache);
    for milliseconds in [300, 2_500] {
        pause(300).await;
        server.pause();
        pause(milliseconds).await;
        server.resume();
        until_whole("paused", &cache, &server.url()).await;
    }
    assert_eq!(server.command(&["DEBUG", "SLEEP", "1"]), "OK");
    until_whole("asleep", &cache, &server.url()).await;
    traffic.end("paused").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_closed_or_swallowed_are_replaced() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let cache = process(&proxy.url()).await;
    let traffic = Traffic::start(&cache);
    let faults: [(&str, &dyn Fn()); 4] = [
        ("closed", &|| proxy.close_all()),
        ("existing ones swallowed", &|| proxy.black_hole_existing()),
        ("all swallowed", &|| proxy.black_hole()),
        ("refused", &|| {
            proxy.refuse();
            proxy.close_all();
        }),
    ];
    for (what, fault) in faults {
        pause(300).await;
        fault();
        pause(1_000).await;
        proxy.pass();
        until_whole(what, &cache, &proxy.url()).await;
    }
    assert_ne!(server.command(&["CLIENT", "KILL", "TYPE", "normal"]), "");
    until_whole("killed clients", &cache, &proxy.url()).await;
    traffic.end("proxy").await;
    assert!(
        proxy.connections() < 200,
        "{} connections",
        proxy.connections()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_still_answers_and_takes_values_again_when_it_has_room() {
    let server = Server::with(&["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]);
    let cache = process(&server.url()).await;
    Cache::scope(cache.clone(), small(1)).await;
    pause(100).await;
    let traffic = Traffic::start(&cache);
    // More than there is room for.
    for n in 100..200 {
        Cache::scope(cache.clone(), large(n)).await;
    }
    pause(300).await;
    let row = cache.stats().function("large").unwrap().clone();
    assert!(row.redis_fills_lost > 0, "{row:?}");
    let mut from_redis = 0;
    for _ in 0..20 {
        let answer = Cache::scope(cache.clone(), small(1).explain()).await;
        from_redis += usize::from(answer.unwrap().source == Source::Redis);
    }
    // On a busy machine an answer may be late.
    assert!(from_redis >= 10, "{from_redis} of 20 reads were answered");
    assert_eq!(server.command(&["FLUSHALL"]), "OK");
    until_whole("full", &cache, &server.url()).await;
    traffic.end("full").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_wrote_to_our_keys_is_a_miss_and_is_replaced() {
    let server = Server::start();
    let cache = process(&server.url()).await;
    Cache::scope(cache.clone(), async {
        small(7).await;
        let keys = || server.command(&["KEYS", "*small*"]);
        until("it is there", || !keys().is_empty()).await;
        let key = keys();
        let sealed = server.command(&["STRLEN", &key]);
        let set = |value: &str| server.command(&["SET", &key, value]);
        let foreign: [&dyn Fn() -> String; 4] = [
            &|| set("nonsense"),
            &|| set(""),
            &|| set(&"x".repeat(3 << 20)),
            &|| {
                server.command(&["DEL", &key]);
                server.command(&["RPUSH", &key, "a", "b"])
            },
        ];
        // While it is on its way for all that is known here, it is not asked for.
        let is_known = async |fills: u64| {
            let arrived = || cache.stats().function("small").unwrap().redis_fills;
            until("its arrival is counted", || arrived() == fills).await;
            pause(50).await;
        };
        for (fills, write) in (1..).zip(foreign) {
            is_known(fills).await;
            write();
            let answer = small(7).explain().await.unwrap();
            assert_eq!((answer.source, &*answer.value), (Source::Load, "value 7"));
            let miss = answer.redis.unwrap();
            assert!(
                matches!(miss, RedisMiss::Damaged | RedisMiss::TooLarge),
                "{miss:?}"
            );
            until("it is replaced", || {
                server.command(&["STRLEN", &key]) == sealed
            })
            .await;
            is_known(fills + 1).await;
            assert_eq!(small(7).explain().await.unwrap().source, Source::Redis);
        }
        assert_eq!(server.command(&["TYPE", &key]), "string");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_has_to_call_for_a_long_outage_to_end() {
    let mut server = Server::start();
    let cache = process(&server.url()).await;
    Cache::scope(cache.clone(), small(1)).await;
    server.kill();
    Cache::scope(cache.clone(), small(2)).await;
    pause(22_000).await;
    server.start_again();
    pause(2_500).await;
    until_whole("long outage", &cache, &server.url()).await;
}

//! How a cache says that it is, for probes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use cache_core::{Cache, Event, cached, event, testing::FakeRedis};
use tests::{process, server::Server, until};

#[derive(Event)]
struct Changed;

#[cached(ttl = 1h, invalidate_on = Changed)]
async fn double(n: u64) -> u64 {
    n * 2
}

#[tokio::test]
async fn without_a_redis_it_is_ready_until_it_is_closed() {
    let cache = Cache::builder().build().await.unwrap();
    let health = cache.health();
    assert!(health.is_ready() && !health.is_degraded());
    assert_eq!(health.to_string(), "ready: memory alone");
    assert!(Cache::disabled().health().is_ready(), "it is so by choice");
    let _ = cache.close(Duration::from_secs(1)).await;
    assert!(!cache.health().is_ready());
    assert_eq!(cache.health().to_string(), "closed: memory alone");
}

#[tokio::test]
async fn one_whose_redis_keeps_failing_is_ready_and_degraded_until_it_works() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    assert!(!cache.health().is_degraded(), "{}", cache.health());
    redis.fail();
    let mut n = 0;
    let mut call = async || {
        n += 1;
        assert_eq!(Cache::scope(cache.clone(), double(n)).await, n * 2);
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    while cache.health().redis.unwrap().reads_stopped == 0 {
        call().await;
    }
    let health = cache.health();
    assert!(health.is_ready() && health.is_degraded());
    let sentence = health.to_string();
    assert!(sentence.contains("reads of 1 stopped"), "{sentence}");
    redis.recover();
    while cache.health().is_degraded() {
        call().await;
    }
}

#[tokio::test]
async fn one_whose_redis_is_killed_says_so_and_says_when_it_is_back() {
    let mut server = Server::start();
    let bound = Duration::from_millis(400);
    let builder = Cache::builder().redis(server.url()).staleness_bound(bound);
    let cache = builder.require_redis().build().await.unwrap();
    let health = cache.health();
    assert!(!health.is_degraded(), "{health}");
    let redis = health.redis.unwrap();
    assert_eq!((redis.servers, redis.connected, redis.bound), (1, 1, bound));
    // Whoever collects has threads of their own.
    let elsewhere = cache.clone();
    let there = std::thread::spawn(move || elsewhere.health().is_degraded());
    assert!(!there.join().unwrap());

    server.kill();
    let _ = cache.emit(event!(Changed)).await;
    until("it is no longer heard", || {
        let redis = cache.health().redis.unwrap();
        redis.connected == 0 && !redis.is_listening() && redis.pending == 1
    })
    .await;
    let health = cache.health();
    assert!(health.is_ready() && health.is_degraded());
    let sentence = health.to_string();
    assert!(
        sentence.starts_with("ready, degraded: no connection to Redis"),
        "{sentence}"
    );
    assert!(sentence.contains("unheard for"), "{sentence}");
    assert!(sentence.contains("1 events not acknowledged"), "{sentence}");
    assert!(
        cache
            .prometheus()
            .contains("\ncache_degraded{cache_namespace=\"cache\"} 1\n")
    );

    server.start_again();
    until("it is well", || !cache.health().is_degraded()).await;
    until("it is told", || cache.health().redis.unwrap().pending == 0).await;
}

//! The shared tier on a real Redis: how a cache begins with one, and what processes share.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{process::Command, time::Duration};

use cache_core::{Cache, CachedCall, ErrorKind, RedisMiss, Source, cached};
use futures::future::join_all;
use tests::{SOON, server::Server, until};

#[cached(ttl = 1h)]
async fn text(n: usize, length: usize) -> String {
    format!("{n} {}", "x".repeat(length))
}

async fn process(url: &str) -> Cache {
    let builder = Cache::builder().redis(url).require_redis();
    // What is tested here is what comes back, not how soon.
    let builder = builder.redis_budget(Duration::from_secs(10));
    builder.build().await.unwrap()
}

fn worker(server: &Server, n: u64) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_worker"))
        .arg(n.to_string())
        .env("REDIS_URL", server.url())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_second_process_starts_warm() {
    let server = Server::start();
    assert_eq!(worker(&server, 7), "loaded: 49\n");
    assert_eq!(worker(&server, 7), "from Redis: 49\n");
    assert_eq!(worker(&server, 8), "loaded: 64\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_all_sizes_come_back_to_whoever_asked_for_them() {
    let server = Server::start();
    let (here, there) = (process(&server.url()).await, process(&server.url()).await);
    let sizes = [0, 1, 100, 1_000, 10_000, 70_000, 500_000];
    let calls = || (0..300).map(|n| text(n, sizes[n % sizes.len()]));
    for (cache, source) in [(&here, Source::Load), (&there, Source::Redis)] {
        let calls = calls().map(|call| Cache::scope(cache.clone(), call.explain()));
        for (n, answer) in join_all(calls).await.into_iter().enumerate() {
            let answer = answer.unwrap();
            assert_eq!(answer.source, source, "{answer:?}");
            let (number, rest) = answer.value.split_once(' ').unwrap();
            assert_eq!(
                (number, rest.len()),
                (&*n.to_string(), sizes[n % sizes.len()])
            );
        }
        assert_eq!(cache.stats().functions[0].redis_fills_lost, 0);
        let left = cache.close(SOON).await;
        assert_eq!(left.fills, 0);
    }
}

#[tokio::test]
async fn an_entry_expires_in_redis_when_its_time_is_over() {
    #[cached(ttl = 30s, name = "shop::brief")]
    async fn brief(n: u64) -> u64 {
        n
    }
    let server = Server::start();
    let cache = process(&server.url()).await;
    Cache::scope(cache.clone(), brief(1)).await;
    let _ = cache.close(SOON).await;
    let key = server.command(&["KEYS", "cache:e:*"]);
    let left: u64 = server.command(&["PTTL", &key]).parse().unwrap();
    assert!((20_000..=30_000).contains(&left), "{key}: {left}");
}

#[tokio::test]
async fn what_refuses_us_fails_the_build_with_the_reason() {
    let secret = "s3cr3t-of-mine";
    let server = Server::with(&["--requirepass", secret, "--databases", "2"]);
    let at = |user: &str, database: &str| {
        format!("redis://{user}127.0.0.1:{}/{database}", server.port())
    };
    for (url, words) in [
        (at("", ""), "password"),
        (at(":wrong-and-private@", ""), "password"),
        (at(&format!(":{secret}@"), "7"), "database"),
    ] {
        let error = Cache::builder().redis(&url).build().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        let said = error.to_string();
        assert!(said.contains(words), "{said}");
        assert!(
            !said.contains(secret) && !said.contains("wrong-and"),
            "{said}"
        );
    }
    let right = at(&format!(":{secret}@"), "1");
    let builder = Cache::builder().redis(&right);
    let shown = format!("{builder:?}");
    let cache = builder.build().await.unwrap();
    let shown = shown + &format!("{cache:?}");
    assert!(!shown.contains(secret), "{shown}");
    Cache::scope(cache.clone(), text(1, 1)).await;
    assert_eq!(cache.close(SOON).await.fills, 0);
}

#[tokio::test]
async fn a_user_limited_to_the_namespace_is_enough() {
    let server = Server::start();
    let acl = |rules: &[&str]| {
        let command = ["ACL", "SETUSER", "app"].iter().chain(rules);
        let answer = server.command(&command.copied().collect::<Vec<_>>());
        assert_eq!(answer, "OK");
    };
    acl(&["on", ">pw", "~shop:*", "+@all"]);
    let url = format!("redis://app:pw@127.0.0.1:{}/", server.port());
    let cache = Cache::builder().namespace("shop").redis(url).build().await;
    let cache = cache.unwrap();
    let miss = |n| {
        let call = text(n, 5).explain();
        let asked = Cache::scope(cache.clone(), call);
        async move { asked.await.unwrap().redis }
    };
    assert_eq!(miss(0).await, Some(RedisMiss::Absent));
    acl(&["-get", "-mget"]);
    for n in 1..50 {
        assert_eq!(miss(n).await, Some(RedisMiss::Unavailable));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    acl(&["+get", "+mget"]);
    let begin = std::time::Instant::now();
    for n in 50.. {
        if miss(n).await == Some(RedisMiss::Absent) {
            return;
        }
        assert!(begin.elapsed() < SOON, "reads stay off");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_url_that_is_none_is_refused_in_words() {
    for url in [
        "",
        "localhost",
        "http://localhost/",
        "redis://",
        "redis://u:pr1vate@h:99999/",
    ] {
        let error = Cache::builder().redis(url).build().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{url}: {error}");
        assert!(error.to_string().contains("redis://"), "{error}");
        assert!(!error.to_string().contains("pr1vate"), "{error}");
    }
}

#[tokio::test]
async fn a_redis_that_is_required_and_not_there_is_an_error() {
    let server = Server::absent();
    let builder = Cache::builder().redis(server.url()).require_redis();
    let error = builder.build().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let unnamed = Cache::builder().require_redis().build().await.unwrap_err();
    assert_eq!(unnamed.kind(), ErrorKind::Configuration);
}

#[test]
fn a_cache_outlives_the_runtime_that_built_it() {
    let server = Server::start();
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let cache = runtime().block_on(process(&server.url()));
    let source = |n| {
        runtime().block_on(Cache::scope(cache.clone(), async {
            // The first call begins to connect, and does not wait for it.
            for _ in 0..200 {
                let answer = text(n, 5).explain().await.unwrap();
                if answer.redis != Some(RedisMiss::Unavailable) {
                    let sent = || cache.stats().functions[0].redis_fills > 0;
                    until("it is sent", sent).await;
                    return answer.source;
                }
                cache.clear();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            panic!("Redis is not asked");
        }))
    };
    assert_eq!(source(1), Source::Load);
    cache.clear();
    assert_eq!(source(1), Source::Redis);
}

#[tokio::test]
async fn a_cache_that_is_dropped_leaves_no_connection_behind() {
    let server = Server::start();
    let clients = || server.command(&["CLIENT", "LIST"]).lines().count();
    let before = clients();
    for _ in 0..3 {
        let cache = process(&server.url()).await;
        Cache::scope(cache.clone(), text(1, 100_000)).await;
        assert_eq!(cache.close(SOON).await.fills, 0);
        assert!(clients() > before);
    }
    let server = &server;
    until("the connections are closed", || {
        server.command(&["CLIENT", "LIST"]).lines().count() == before
    })
    .await;
}

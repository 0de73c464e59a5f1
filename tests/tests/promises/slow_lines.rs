//! A Redis that is slower than a function may wait.

use super::policies::constant;
use super::time_limits::{hurried, hurried_one, rushed, rushed_one};
use super::*;

// A line to Redis that is slower than its budget.

pub(super) fn slow_line<F: Future<Output = bool>>(call: impl Fn(Source, u64) -> F) {
    let server = Server::start();
    on_both_runtimes(|_| async {
        let proxy = tests::proxy::Proxy::to(&server);
        let namespace = format!("n{}", server.command(&["INCR", "n"]));
        let builder = Cache::builder().namespace(&namespace).redis(proxy.url());
        let cache = builder.build().await.unwrap();
        let source = Source::default();
        Cache::scope(cache, async {
            assert!(call(source.clone(), 999).await);
            proxy.delay(150 * MS);
            tokio::time::sleep(300 * MS).await;
            let mut ended = Vec::new();
            let begun = Instant::now();
            let mut id = 0;
            while begun.elapsed() < 6 * SECOND {
                id += 1;
                ended.push(call(source.clone(), id).await);
            }
            let failed = ended.iter().filter(|ok| !**ok).count();
            eprintln!("{failed} of {} failed", ended.len());
            assert!(
                failed * 2 < ended.len(),
                "{failed} of {} failed",
                ended.len()
            );
        })
        .await;
    });
}

#[test]
fn single_calls_are_well_again_though_the_line_is_slow() {
    slow_line(|source, id| async move {
        let (one, two) = futures::join!(rushed_one(&source, id), rushed_one(&source, id + 100_000));
        tokio::time::sleep(2 * MS).await;
        one.is_ok() && two.is_ok()
    });
}

#[test]
fn batches_are_well_again_though_the_line_is_slow() {
    slow_line(|source, id| async move {
        let ended = rushed(&source, &[id, id + 100_000]).await.is_ok();
        tokio::time::sleep(2 * MS).await;
        ended
    });
}

// What is loaded behind the time limit is for all.

#[cached(ttl = 1h, skip(source), timeout = 60ms, batch(id in ids), invalidate_on = Changed { id })]
pub(super) async fn stamped(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

#[cached(ttl = 1h, skip(source), timeout = 60ms, invalidate_on = Changed { id })]
pub(super) async fn stamped_one(source: &Source, id: u64) -> Result<u64, Failure> {
    source.one(id).await
}

pub(super) async fn is_shared<F: Future<Output = ()>>(call: impl FnOnce(Source) -> F) -> usize {
    let redis = FakeRedis::new();
    let builder = Cache::builder().fake_redis(&redis).redis_budget(200 * MS);
    let cache = builder.build().await.unwrap();
    redis.delay(40 * MS);
    Cache::scope(cache.clone(), call(Source::default())).await;
    tokio::time::sleep(600 * MS).await;
    redis.keys().len()
}

#[test]
fn what_single_calls_load_behind_their_time_limit_is_written_to_redis() {
    on_both_runtimes(|_| async {
        let shared = is_shared(async |source| {
            let _ = futures::join!(stamped_one(&source, 1), stamped_one(&source, 2));
        });
        assert_eq!(shared.await, 2);
    });
}

#[test]
fn what_a_batch_loads_behind_its_time_limit_is_written_to_redis() {
    on_both_runtimes(|_| async {
        let shared = is_shared(async |source| {
            let _ = stamped(&source, &[1, 2]).await;
        });
        assert_eq!(shared.await, 2);
    });
}

// The time limit of one function is no judgement of Redis.

/// Redis answers within its budget. What one function waits for at most is nobody else's business.
#[test]
fn a_short_time_limit_of_single_calls_does_not_have_redis_given_up() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let cache = fast(&redis).await;
        let source = Source::default();
        redis.inject(Operation::Read, Fault::Delay(80 * MS));
        Cache::scope(cache, async {
            for id in 0..8 {
                let _ = futures::join!(hurried_one(&source, id), hurried_one(&source, id + 1000));
            }
            let explained = constant(&source, 1).explain().await.unwrap();
            assert_eq!(explained.redis, Some(cache_core::RedisMiss::Absent));
        })
        .await;
    });
}

#[test]
fn a_short_time_limit_of_batches_does_not_have_redis_given_up() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let cache = fast(&redis).await;
        let source = Source::default();
        redis.inject(Operation::Read, Fault::Delay(80 * MS));
        Cache::scope(cache, async {
            for id in 0..8 {
                let _ = hurried(&source, &[id, id + 1000]).await;
            }
            let explained = constant(&source, 1).explain().await.unwrap();
            assert_eq!(explained.redis, Some(cache_core::RedisMiss::Absent));
        })
        .await;
    });
}

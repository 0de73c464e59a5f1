//! How long a call waits, and what goes on behind it.

use super::*;

// The time limit cuts the read of a batch short, not that of a single call.

#[cached(ttl = 1h, skip(source), timeout = 60ms, batch(id in ids))]
pub(super) async fn hurried(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

#[cached(ttl = 1h, skip(source), timeout = 60ms)]
pub(super) async fn hurried_one(source: &Source, id: u64) -> Result<u64, Failure> {
    source.one(id).await
}

/// Redis has it, and answers within its budget, if later than the caller waits: it goes on, and what it gives is kept.
#[test]
fn a_single_call_adopts_what_redis_has_though_its_caller_has_timed_out() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let (a, b) = (fast(&redis).await, fast(&redis).await);
        let source = Source::default();
        for id in 1..=2 {
            Cache::scope(a.clone(), hurried_one(&source, id))
                .await
                .unwrap();
        }
        redis.until(|redis| redis.writes() >= 2).await;
        redis.inject(Operation::Read, Fault::Delay(80 * MS));
        let call = async { futures::join!(hurried_one(&source, 1), hurried_one(&source, 2)) };
        let _ = Cache::scope(b.clone(), call).await;
        tokio::time::sleep(100 * MS).await;
        assert_eq!(
            source.loads(),
            2,
            "loaded what Redis has: {:?}",
            source.log()
        );
    });
}

#[test]
fn a_batch_adopts_what_redis_has_though_its_caller_has_timed_out() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let (a, b) = (fast(&redis).await, fast(&redis).await);
        let source = Source::default();
        Cache::scope(a.clone(), hurried(&source, &[1, 2]))
            .await
            .unwrap();
        redis.until(|redis| redis.writes() >= 2).await;
        redis.inject(Operation::Read, Fault::Delay(80 * MS));
        let _ = Cache::scope(b.clone(), hurried(&source, &[1, 2])).await;
        tokio::time::sleep(100 * MS).await;
        assert_eq!(
            source.loads(),
            1,
            "loaded what Redis has: {:?}",
            source.log()
        );
    });
}

#[cached(ttl = 1h, skip(source), timeout = 40ms, batch(id in ids))]
pub(super) async fn rushed(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

#[cached(ttl = 1h, skip(source), timeout = 40ms)]
pub(super) async fn rushed_one(source: &Source, id: u64) -> Result<u64, Failure> {
    source.one(id).await
}

/// Redis answers nothing. Calls of keys that nobody has: the first few are late, until it is given up.
#[test]
fn single_calls_under_a_short_time_limit_are_well_again_though_redis_hangs() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let cache = fast(&redis).await;
        let source = Source::default();
        redis.hang();
        Cache::scope(cache, async {
            let mut ended = Vec::new();
            for id in 0..40 {
                let (one, two) =
                    futures::join!(rushed_one(&source, id), rushed_one(&source, id + 1000));
                ended.push(one.is_ok() && two.is_ok());
            }
            assert!(
                ended.iter().rev().take(10).filter(|ok| **ok).count() >= 7,
                "{ended:?}"
            );
        })
        .await;
    });
}

#[test]
fn batches_under_a_short_time_limit_are_well_again_though_redis_hangs() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let cache = fast(&redis).await;
        let source = Source::default();
        redis.hang();
        Cache::scope(cache, async {
            let mut ended = Vec::new();
            for id in 0..40 {
                ended.push(rushed(&source, &[id, id + 1000]).await.is_ok());
            }
            assert!(
                ended.iter().rev().take(10).filter(|ok| **ok).count() >= 7,
                "{ended:?}"
            );
        })
        .await;
    });
}

pub(super) fn hang_on_a_server<F: Future<Output = bool>>(call: impl Fn(Source, u64) -> F) {
    let server = Server::start();
    on_both_runtimes(|_| async {
        let namespace = format!("n{}", server.command(&["INCR", "n"]));
        let builder = Cache::builder().namespace(&namespace).redis(server.url());
        let cache = builder.build().await.unwrap();
        let source = Source::default();
        Cache::scope(cache, async {
            assert!(call(source.clone(), 999).await);
            server.pause();
            let mut ended = Vec::new();
            let begun = Instant::now();
            let mut id = 0;
            while begun.elapsed() < 6 * SECOND {
                id += 1;
                ended.push(call(source.clone(), id).await);
            }
            server.resume();
            let failed = ended.iter().filter(|ok| !**ok).count();
            eprintln!("{failed} of {} failed", ended.len());
            assert!(failed < 30, "{failed} of {} failed", ended.len());
        })
        .await;
    });
}

#[test]
fn single_calls_are_well_again_though_a_server_hangs() {
    hang_on_a_server(|source, id| async move {
        let (one, two) = futures::join!(rushed_one(&source, id), rushed_one(&source, id + 100_000));
        tokio::time::sleep(2 * MS).await;
        one.is_ok() && two.is_ok()
    });
}

#[test]
fn batches_are_well_again_though_a_server_hangs() {
    hang_on_a_server(|source, id| async move {
        let ended = rushed(&source, &[id, id + 100_000]).await.is_ok();
        tokio::time::sleep(2 * MS).await;
        ended
    });
}

// Those who wait wait for what nobody waits for.

#[cached(ttl = 10s, skip(source), strategy = stale_while_revalidate(1h), batch(id in ids))]
pub(super) async fn revalidated(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

/// Redis has a stale value of one key: it is served, and its successor loaded in the background. Another key is loaded:
/// that does not wait for what the background first asks of Redis.
#[test]
fn a_key_that_is_loaded_does_not_wait_for_the_background_to_read() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let redis = FakeRedis::on(&clock);
        let make = async || {
            let builder = Cache::builder().clock(clock.clock()).fake_redis(&redis);
            builder.redis_budget(SECOND).build().await.unwrap()
        };
        let (a, b) = (make().await, make().await);
        let source = Source::default();
        Cache::scope(a.clone(), revalidated(&source, &[1]))
            .await
            .unwrap();
        redis.until(|redis| redis.writes() >= 1).await;
        clock.advance(20 * SECOND);
        // The first answers come at once, the others do not.
        redis.inject(Operation::Read, Fault::Hang);
        redis.inject_next(1, Operation::Read, Fault::Delay(MS));
        let begun = Instant::now();
        let found = Cache::scope(b, revalidated(&source, &[1, 2]))
            .await
            .unwrap();
        let took = begun.elapsed();
        assert_eq!(found.len(), 2);
        assert!(took < 500 * MS, "{took:?}, loads {:?}", source.log());
    });
}

/// The same where both are known to memory when the call comes: it waits for its own read, and no longer.
#[test]
fn what_is_loaded_waits_for_one_round_trip_of_redis_and_not_for_two() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let redis = FakeRedis::on(&clock);
        let make = async || {
            let builder = Cache::builder().clock(clock.clock()).fake_redis(&redis);
            builder.redis_budget(2 * SECOND).build().await.unwrap()
        };
        let (a, b) = (make().await, make().await);
        let source = Source::default();
        Cache::scope(a.clone(), revalidated(&source, &[1]))
            .await
            .unwrap();
        redis.until(|redis| redis.writes() >= 1).await;
        clock.advance(20 * SECOND);
        redis.inject(Operation::Read, Fault::Delay(300 * MS));
        let begun = Instant::now();
        Cache::scope(b, revalidated(&source, &[1, 2]))
            .await
            .unwrap();
        let took = begun.elapsed();
        assert!(took < 500 * MS, "{took:?}, loads {:?}", source.log());
    });
}

// Limits of limits.

#[cached(
    ttl = 10s, skip(source), strategy = stale_if_error(1h), soft_timeout = Duration::MAX, timeout = Duration::MAX
)]
pub(super) async fn forever(source: &Source, id: u64) -> Result<u64, Failure> {
    source.one(id).await
}

#[test]
fn a_time_limit_that_never_ends_panics_nobody() {
    on_both_runtimes(|_| async {
        let source = Source::default();
        assert_eq!(forever(&source, 1).await, Ok(0));
    });
}

#[cached(ttl = 10s, skip(source), strategy = stale_if_error(1h), soft_timeout = 1s)]
pub(super) async fn patient(source: &Source, id: u64) -> Result<u64, Failure> {
    source.one(id).await
}

#[test]
fn a_policy_whose_soft_timeout_never_ends_panics_nobody() {
    on_both_runtimes(|_| async {
        let policies: HashMap<String, Policy> =
            serde_json::from_str(r#"{ "patient": { "soft_timeout": "18446744073709551615s" } }"#)
                .unwrap();
        let built = Cache::builder().policies(policies).build().await;
        let cache = built.unwrap();
        let source = Source::default();
        assert_eq!(Cache::scope(cache, patient(&source, 1)).await, Ok(0));
    });
}

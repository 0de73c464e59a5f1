//! What an old value is good for.

use super::*;

// What a load costs.

#[cached(ttl = 10s, skip(source), strategy = early_expiration, max_concurrent_loads = 1)]
pub(super) async fn early_one(source: &Source, id: u64) -> Result<u64, Failure> {
    source.one(id).await
}

pub(super) async fn refreshes_of<F>(function: &str, call: impl Fn(Source, u64) -> F) -> u64
where
    F: Future<Output = ()> + Send + 'static,
{
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
    let source = Source::default();
    source.0.took.store(50, SeqCst);
    let mut calls = Vec::new();
    for id in 0..40 {
        calls.push(tests::spawn_in(&cache, call(source.clone(), id)));
        tokio::time::sleep(2 * MS).await;
    }
    for call in calls {
        call.await.unwrap();
    }
    // Two seconds before its end: forty times what a load takes, which is not once in 10^17.
    clock.advance(8 * SECOND);
    for id in 0..40 {
        Cache::scope(cache.clone(), call(source.clone(), id)).await;
    }
    cache.stats().function(function).unwrap().refreshes
}

#[test]
fn how_long_a_single_load_waited_for_its_slot_is_not_what_it_costs() {
    on_both_runtimes(|_| async {
        let refreshes = refreshes_of("early_one", |source, id| async move {
            early_one(&source, id).await.unwrap();
        });
        assert_eq!(refreshes.await, 0);
    });
}

#[cached(ttl = 10s, skip(source), strategy = early_expiration, max_concurrent_loads = 1, batch(id in ids))]
pub(super) async fn early_many(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

#[test]
fn how_long_a_batch_waited_for_its_slot_is_not_what_its_values_cost() {
    on_both_runtimes(|_| async {
        let refreshes = refreshes_of("early_many", |source, id| async move {
            early_many(&source, &[id, id + 1_000]).await.unwrap();
        });
        assert_eq!(refreshes.await, 0);
    });
}

// In the background.

// Stale in Redis.

#[cached(
    ttl = 10s, skip(source), strategy = stale_if_error(1h), soft_timeout = 50ms, timeout = 3s, batch(id in ids)
)]
pub(super) async fn impatient(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

#[test]
fn a_stale_value_in_redis_is_served_to_a_batch_whose_load_is_late_or_fails() {
    for fails in [false, true] {
        on_both_runtimes(|_| async {
            let clock = ManualClock::new();
            let redis = FakeRedis::on(&clock);
            let make = async || {
                let builder = Cache::builder().clock(clock.clock()).fake_redis(&redis);
                builder.redis_budget(SECOND).build().await.unwrap()
            };
            let (a, b) = (make().await, make().await);
            let source = Source::default();
            source.set(1);
            Cache::scope(a.clone(), impatient(&source, &[1, 2, 3]))
                .await
                .unwrap();
            redis.until(|redis| redis.writes() >= 3).await;
            clock.advance(20 * SECOND);
            redis.inject(Operation::Read, Fault::Delay(20 * MS));
            source.set(2);
            source.0.hangs.store(!fails, SeqCst);
            source.0.fails.store(fails, SeqCst);
            let begun = Instant::now();
            let found = Cache::scope(b.clone(), impatient(&source, &[1, 2, 3])).await;
            let took = begun.elapsed();
            assert_eq!(found.unwrap(), HashMap::from([(1, 1), (2, 1), (3, 1)]));
            assert!(took < 300 * MS, "{took:?}");
            let with_missing = Cache::scope(b.clone(), impatient(&source, &[1, 2, 4])).await;
            assert!(with_missing.is_err());
            source.0.hangs.store(false, SeqCst);
            source.0.fails.store(false, SeqCst);
            tokio::time::sleep(50 * MS).await;
            let found = Cache::scope(b.clone(), impatient(&source, &[4])).await;
            assert_eq!(found.unwrap()[&4], 2);
        });
    }
}

// How often.

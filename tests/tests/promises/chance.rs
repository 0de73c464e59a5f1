//! What is loaded early by chance.

use super::*;

// By chance.

#[cached(ttl = 10s, skip(source), strategy = early_expiration)]
pub(super) async fn chancy(source: &Source, id: u64) -> Result<u64, Failure> {
    source.one(id).await
}

#[cached(ttl = 10s, skip(source), strategy = early_expiration, batch(id in ids))]
pub(super) async fn chancy_many(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

/// Ten seconds before its end a value whose load takes 300 ms is loaded anew once in 10^14 reads, wherever it is read.
#[test]
fn what_redis_has_just_got_is_not_loaded_anew_by_all_who_read_it() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let redis = FakeRedis::on(&clock);
        let mut caches = Vec::new();
        for _ in 0..6 {
            let builder = Cache::builder().clock(clock.clock()).fake_redis(&redis);
            caches.push(builder.build().await.unwrap());
        }
        let source = Source::default();
        source.0.took.store(300, SeqCst);
        Cache::scope(caches[0].clone(), chancy(&source, 1))
            .await
            .unwrap();
        redis.until(|redis| redis.writes() >= 1).await;
        for cache in &caches {
            Cache::scope(cache.clone(), chancy(&source, 1))
                .await
                .unwrap();
        }
        tokio::time::sleep(400 * MS).await;
        assert_eq!(
            source.loads(),
            1,
            "of a value that is 0 s old, and lives for 10 s"
        );
    });
}

/// 5 ms before its end one whose load takes 300 ms is loaded anew in 98 of 100 reads, by who knows how long that takes.
#[test]
fn what_redis_has_for_moments_more_is_loaded_anew_by_who_has_never_loaded_it() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let redis = FakeRedis::on(&clock);
        let build = || {
            let builder = Cache::builder().clock(clock.clock());
            builder.fake_redis(&redis).build()
        };
        let (a, b) = (build().await.unwrap(), build().await.unwrap());
        let source = Source::default();
        source.0.took.store(300, SeqCst);
        let calls = async || {
            let calls = (0..20).map(|id| chancy(&source, id));
            futures::future::join_all(calls).await;
        };
        Cache::scope(a, calls()).await;
        redis.until(|redis| redis.writes() >= 20).await;
        clock.advance(9_995 * MS);
        Cache::scope(b.clone(), calls()).await;
        let row = b.stats().function("chancy").unwrap().clone();
        assert_eq!(row.redis_hits, 20, "{row:?}");
        assert!(row.refreshes > 10, "{row:?}");
    });
}

#[test]
fn what_redis_has_just_got_is_not_loaded_anew_by_batches_that_read_it() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let redis = FakeRedis::on(&clock);
        let mut caches = Vec::new();
        for _ in 0..6 {
            let builder = Cache::builder().clock(clock.clock()).fake_redis(&redis);
            caches.push(builder.build().await.unwrap());
        }
        let source = Source::default();
        source.0.took.store(300, SeqCst);
        Cache::scope(caches[0].clone(), chancy_many(&source, &[1, 2]))
            .await
            .unwrap();
        redis.until(|redis| redis.writes() >= 2).await;
        for cache in &caches {
            Cache::scope(cache.clone(), chancy_many(&source, &[1, 2]))
                .await
                .unwrap();
        }
        tokio::time::sleep(400 * MS).await;
        assert_eq!(source.loads(), 1, "{:?}", source.log());
    });
}

/// The same of who asks memory: `explain` does what the call does, and so does warming.
#[test]
fn to_explain_a_value_does_not_have_it_loaded_anew() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
        let source = Source::default();
        source.0.took.store(300, SeqCst);
        Cache::scope(cache.clone(), async {
            let calls = (0..20).map(|id| chancy(&source, id));
            futures::future::join_all(calls).await;
            for id in 0..20 {
                chancy(&source, id).await.unwrap();
            }
            assert_eq!(cache.stats().function("chancy").unwrap().refreshes, 0);
            for id in 0..20 {
                chancy(&source, id).explain().await.unwrap().value.unwrap();
            }
            assert_eq!(cache.stats().function("chancy").unwrap().refreshes, 0);
        })
        .await;
    });
}

#[test]
fn to_warm_what_is_fresh_does_not_have_it_loaded_anew() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
        let source = Source::default();
        source.0.took.store(300, SeqCst);
        Cache::scope(cache.clone(), async {
            futures::future::join_all((0..20).map(|id| chancy(&source, id))).await;
        })
        .await;
        let warmed = cache
            .warm((0..20).map(|id| chancy(&source, id)))
            .run()
            .await;
        assert_eq!(warmed.in_memory, 20);
        assert_eq!(
            cache.stats().function("chancy").unwrap().refreshes,
            0,
            "what is fresh is not loaded again"
        );
    });
}

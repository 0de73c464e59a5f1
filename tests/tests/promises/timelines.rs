//! Values through their times.

use super::*;

// keep_if, err_ttl, none_ttl beside strategies.

#[cached(ttl = 10s, skip(source), keep_if = |value| *value != 7, strategy = [stale_while_revalidate(20s), stale_if_error(1h)])]
pub(super) async fn choosy(source: &Source, id: u64) -> Result<u64, Failure> {
    source.one(id).await
}

/// What is not kept is nobody's successor, and is not loaded without end either.
#[test]
fn a_successor_that_is_not_kept() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
        let source = Source::default();
        Cache::scope(cache, async {
            source.set(1);
            assert_eq!(choosy(&source, 1).await, Ok(1));
            clock.advance(15 * SECOND);
            source.set(7);
            assert_eq!(choosy(&source, 1).await, Ok(1));
            tokio::time::sleep(20 * MS).await;
            // The newest that is known is 7: nobody has 1 any more.
            assert_eq!(choosy(&source, 1).await, Ok(7));
            source.0.fails.store(true, SeqCst);
            assert_eq!(choosy(&source, 1).await, Err(Failure::No));
        })
        .await;
    });
}

#[cached(
    ttl = 10s, skip(source), err_ttl = |_| Duration::from_secs(5),
    strategy = [refresh_ahead(0.5), stale_while_revalidate(10s), stale_if_error(40s)], batch(id in ids)
)]
pub(super) async fn rows(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

/// fresh, refreshed, stale and served, stale and standing in, over.
#[test]
fn a_batch_goes_through_its_timeline() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
        let source = Source::default();
        Cache::scope(cache, async {
            source.set(1);
            rows(&source, &[1, 2]).await.unwrap();
            source.0.fails.store(true, SeqCst);
            clock.advance(4 * SECOND);
            rows(&source, &[1, 2]).await.unwrap();
            assert_eq!(source.loads(), 1, "fresh");
            clock.advance(5 * SECOND);
            rows(&source, &[1, 2]).await.unwrap();
            tokio::time::sleep(20 * MS).await;
            assert_eq!(source.loads(), 2, "refreshed, in vain");
            clock.advance(6 * SECOND);
            rows(&source, &[1, 2]).await.unwrap();
            tokio::time::sleep(20 * MS).await;
            assert_eq!(source.loads(), 2, "throttled");
            clock.advance(4 * SECOND);
            rows(&source, &[1, 2]).await.unwrap();
            tokio::time::sleep(20 * MS).await;
            assert_eq!(source.loads(), 3, "stale and served");
            clock.advance(11 * SECOND);
            assert_eq!(rows(&source, &[1, 2]).await.unwrap()[&1], 1, "stands in");
            assert_eq!(source.loads(), 4);
            clock.advance(9 * SECOND);
            assert_eq!(rows(&source, &[1, 2]).await.unwrap()[&1], 1, "throttled");
            assert_eq!(source.loads(), 4);
            clock.advance(12 * SECOND);
            assert_eq!(rows(&source, &[1, 2]).await, Err(Failure::No), "over");
            assert_eq!(source.loads(), 5);
            clock.advance(4 * SECOND);
            assert_eq!(rows(&source, &[1, 2]).await, Err(Failure::No), "remembered");
            assert_eq!(source.loads(), 5);
            clock.advance(2 * SECOND);
            source.0.fails.store(false, SeqCst);
            source.set(2);
            assert_eq!(rows(&source, &[1, 2]).await.unwrap()[&1], 2);
        })
        .await;
    });
}

#[cached(ttl = 100s, skip(source), strategy = refresh_ahead(0.5), batch(id in ids))]
pub(super) async fn due(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

/// The same of successors, in the fewest loads of three rounds: idle threads take each as it comes.
#[test]
fn successors_of_single_keys_that_are_due_at_one_moment_share_a_load() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
        let source = Source::default();
        Cache::scope(cache, async {
            let ids: Vec<u64> = (0..50).collect();
            due(&source, &ids).await.unwrap();
            source.0.took.store(5, SeqCst);
            let mut fewest = usize::MAX;
            for _ in 0..3 {
                clock.advance(90 * SECOND);
                let before = source.loads();
                futures::future::join_all(ids.iter().map(|id| {
                    let source = &source;
                    async move { due(source, &[*id]).await.unwrap() }
                }))
                .await;
                tokio::time::sleep(100 * MS).await;
                fewest = fewest.min(source.loads() - before);
            }
            assert!((1..40).contains(&fewest), "{fewest}");
        })
        .await;
    });
}

// A fleet that refreshes.

#[cached(ttl = 100s, skip(source), fleet, strategy = refresh_ahead(0.5))]
pub(super) async fn fleet_ahead(source: &Source, id: u64) -> Result<u64, Failure> {
    source.one(id).await
}

#[test]
fn of_a_fleet_one_process_loads_a_successor() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let redis = FakeRedis::on(&clock);
        let mut caches = Vec::new();
        for _ in 0..8 {
            let builder = Cache::builder().clock(clock.clock()).fake_redis(&redis);
            caches.push(builder.build().await.unwrap());
        }
        let source = Source::default();
        for cache in &caches {
            Cache::scope(cache.clone(), fleet_ahead(&source, 1))
                .await
                .unwrap();
            redis.until(|redis| redis.writes() >= 1).await;
            tokio::time::sleep(5 * MS).await;
        }
        assert_eq!(source.loads(), 1);
        clock.advance(90 * SECOND);
        source.set(1);
        source.0.took.store(50, SeqCst);
        for cache in &caches {
            assert_eq!(
                Cache::scope(cache.clone(), fleet_ahead(&source, 1)).await,
                Ok(0)
            );
        }
        tokio::time::sleep(500 * MS).await;
        for cache in &caches {
            assert_eq!(
                Cache::scope(cache.clone(), fleet_ahead(&source, 1)).await,
                Ok(1)
            );
        }
        assert_eq!(source.loads(), 2);
    });
}

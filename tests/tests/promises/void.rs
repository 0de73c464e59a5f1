//! What an event made void, and what has come while a batch reads.

use super::ages::impatient;
use super::chance::chancy;
use super::commands::real;
use super::*;

// What has come while a batch reads is fresh, and no reason to load.

/// A function whose strategy begins no load in the background for what is fresh: another call has loaded the key while
/// this one reads.
#[test]
fn what_another_call_has_loaded_while_a_batch_reads_is_not_loaded_once_more() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let cache = fast(&redis).await;
        let source = Source::default();
        Cache::scope(cache.clone(), async {
            redis.inject(Operation::Read, Fault::Hang);
            let mine = source.clone();
            let call = tests::spawn_in(&cache, async move { impatient(&mine, &[1, 2]).await });
            tokio::time::sleep(20 * MS).await;
            // It asks Redis nothing, and is done at once.
            impatient(&source, &[1]).refresh().await.unwrap().unwrap();
            assert_eq!(source.log(), [[1]]);
            ends(call).await.unwrap().unwrap();
            tokio::time::sleep(200 * MS).await;
            let row = cache.stats();
            let refreshes = row.function("impatient").unwrap().refreshes;
            assert_eq!((source.log(), refreshes), (vec![vec![1], vec![2]], 0));
        })
        .await;
    });
}

/// "A load in the background first looks whether another process has loaded the value by now."
#[test]
fn who_refreshes_early_takes_over_what_another_process_has_just_loaded() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let redis = FakeRedis::on(&clock);
        let mut caches = Vec::new();
        for _ in 0..2 {
            let builder = Cache::builder().clock(clock.clock()).fake_redis(&redis);
            caches.push(builder.build().await.unwrap());
        }
        let source = Source::default();
        source.0.took.store(300, SeqCst);
        Cache::scope(caches[0].clone(), chancy(&source, 1))
            .await
            .unwrap();
        redis.until(|redis| redis.writes() >= 1).await;
        Cache::scope(caches[1].clone(), chancy(&source, 1))
            .await
            .unwrap();
        tokio::time::sleep(400 * MS).await;
        // At its very end: both are to load a successor, one after the other.
        clock.advance(Duration::from_millis(9_999));
        for cache in &caches {
            while cache.stats().function("chancy").unwrap().refreshes < 2 {
                let before = cache.stats().function("chancy").unwrap().refreshes;
                Cache::scope(cache.clone(), chancy(&source, 1))
                    .await
                    .unwrap();
                if cache.stats().function("chancy").unwrap().refreshes > before {
                    break;
                }
            }
            tokio::time::sleep(400 * MS).await;
        }
        let loads = source.loads();
        let first = caches[1].stats().function("chancy").unwrap().refreshes;
        eprintln!("{loads} loads, the second process has refreshed {first} times");
        // One to begin with, and one successor; the one more is that of `what_redis_has_just_got`.
        assert!(loads <= 3, "{loads}");
    });
}

#[cached(ttl = 1h, skip(source), strategy = stale_if_invalidated(3s), batch(id in ids), invalidate_on = Changed { id })]
pub(super) async fn lately(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

/// For so long and no longer, not behind many events, not what Redis has of before; and by whoever emits it as well.
#[test]
fn keys_that_an_event_made_void_are_served_for_a_while_and_not_behind_many() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let (a, b) = (fast(&redis).await, fast(&redis).await);
        let source = Source::default();
        for cache in [&a, &b] {
            Cache::scope(cache.clone(), lately(&source, &[1, 2, 3]))
                .await
                .unwrap();
            redis.until(|redis| redis.writes() >= 3).await;
            tokio::time::sleep(20 * MS).await;
        }
        source.set(1);
        source.0.hangs.store(true, SeqCst);
        a.emit(Changed { id: 1 }).await.unwrap();
        for cache in [&b] {
            tokio::time::sleep(50 * MS).await;
            let found = ends(Cache::scope(cache.clone(), lately(&source, &[1, 2, 3])))
                .await
                .unwrap();
            assert_eq!(found, HashMap::from([(1, 0), (2, 0), (3, 0)]));
        }
        for _ in 0..2 {
            a.emit(Changed { id: 1 }).await.unwrap();
        }
        tokio::time::sleep(50 * MS).await;
        source.0.hangs.store(false, SeqCst);
        source.set(2);
        for cache in [&a, &b] {
            let found = ends(Cache::scope(cache.clone(), lately(&source, &[1, 2, 3])))
                .await
                .unwrap();
            assert!(found[&1] > 0, "{found:?}");
        }
        a.emit(Changed { id: 2 }).await.unwrap();
        source.set(3);
        source.0.fails.store(true, SeqCst);
        tokio::time::sleep(3_100 * MS).await;
        for cache in [&a, &b] {
            let found = ends(Cache::scope(cache.clone(), lately(&source, &[2, 3]))).await;
            assert_eq!(found, Err(Failure::No));
        }
    });
}

#[cached(ttl = 1h, skip(source), strategy = stale_if_invalidated(3s), invalidate_on = Changed { id })]
pub(super) async fn lately_one(source: &Source, id: u64) -> Result<u64, Failure> {
    source.one(id).await
}

/// Loaded here, and made void by one event of `emitter`: whether it is served 100 ms later.
pub(super) async fn is_served(reader: &Cache, emitter: &Cache) -> bool {
    let source = Source::default();
    Cache::scope(reader.clone(), lately_one(&source, 1))
        .await
        .unwrap();
    tokio::time::sleep(100 * MS).await;
    source.set(1);
    source.0.hangs.store(true, SeqCst);
    emitter.emit(Changed { id: 1 }).await.unwrap();
    tokio::time::sleep(100 * MS).await;
    let call = Cache::scope(reader.clone(), lately_one(&source, 1));
    let ended = tokio::time::timeout(500 * MS, call).await;
    source.0.hangs.store(false, SeqCst);
    ended.is_ok_and(|found| found == Ok(0))
}

#[test]
fn what_an_event_made_void_is_served_for_a_while_in_memory_alone() {
    on_both_runtimes(|cache| async move { assert!(is_served(&cache, &cache).await) });
}

#[test]
fn what_an_event_of_another_process_made_void_is_served_for_a_while() {
    let server = Server::start();
    on_both_runtimes(|_| async {
        let namespace = format!("n{}", server.command(&["INCR", "n"]));
        let here = real(&server, &namespace).await;
        let builder = Cache::builder()
            .namespace(&namespace)
            .redis(server.other_url());
        let there = builder.build().await.unwrap();
        assert!(is_served(&here, &there).await);
    });
}

#[test]
fn what_an_event_of_the_same_process_made_void_is_served_for_a_while_beside_a_server() {
    let server = Server::start();
    on_both_runtimes(|_| async {
        let namespace = format!("n{}", server.command(&["INCR", "n"]));
        let here = real(&server, &namespace).await;
        assert!(is_served(&here, &here).await);
    });
}

#[test]
fn what_an_event_of_the_same_process_made_void_is_served_for_a_while_beside_redis() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let here = fast(&redis).await;
        assert!(is_served(&here, &here).await);
    });
}

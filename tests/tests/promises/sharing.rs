//! Which keys are loaded together.

use super::commands::{limited, plain, soft};
use super::*;

// Very many.

#[test]
fn ten_thousand_keys_under_a_time_limit() {
    on_both_runtimes(|cache| async move {
        let ids: Vec<u64> = (0..10_000).collect();
        let source = Source::default();
        for round in 0..2 {
            let begun = Instant::now();
            let plain = plain(&source, &ids).await.unwrap().len();
            let without = begun.elapsed();
            let begun = Instant::now();
            let with = limited(&source, &ids).await.map(|found| found.len());
            eprintln!(
                "{round}: {plain} in {without:?}, {with:?} in {:?}",
                begun.elapsed()
            );
            assert_eq!(with, Ok(10_000));
            cache.clear();
        }
    });
}

// Callers of single keys at one moment.

/// The fewest of three rounds: on a busy machine callers come one after the other.
pub(super) async fn loads_of_fifty<F>(
    cache: &Cache,
    spawned: bool,
    call: impl Fn(Source, u64) -> F,
) -> usize
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut fewest = usize::MAX;
    for round in 0..3 {
        let source = Source::default();
        source.0.took.store(5, SeqCst);
        let ids = round * 50..(round + 1) * 50;
        let calls = ids.map(|id| call(source.clone(), id));
        if spawned {
            let calls: Vec<_> = calls.map(|call| tests::spawn_in(cache, call)).collect();
            for call in calls {
                call.await.unwrap();
            }
        } else {
            futures::future::join_all(calls).await;
        }
        fewest = fewest.min(source.loads());
    }
    fewest
}

#[test]
fn callers_of_single_keys_share_a_load_without_a_time_limit() {
    on_both_runtimes(|cache| async move {
        for spawned in [false, true] {
            let loads = loads_of_fifty(&cache, spawned, |source, id| async move {
                plain(&source, &[id]).await.unwrap();
            });
            let loads = loads.await;
            eprintln!("plain, spawned {spawned}: {loads}");
            cache.clear();
            assert!(loads < 25, "{loads}");
        }
    });
}

#[test]
fn callers_of_single_keys_share_a_load_under_a_time_limit() {
    on_both_runtimes(|cache| async move {
        for spawned in [false, true] {
            let loads = loads_of_fifty(&cache, spawned, |source, id| async move {
                limited(&source, &[id]).await.unwrap();
            });
            let loads = loads.await;
            eprintln!("limited, spawned {spawned}: {loads}");
            cache.clear();
            assert!(loads < 25, "{loads}");
        }
    });
}

#[test]
fn callers_of_single_keys_on_redis_share_a_load_under_a_time_limit() {
    on_both_runtimes(|_| async {
        for with in [false, true] {
            for spawned in [false, true] {
                let redis = FakeRedis::new();
                let cache = fast(&redis).await;
                let mine = cache.clone();
                let loads = Cache::scope(cache, async {
                    if with {
                        let call = |source, id| async move {
                            drop(limited(&source, &[id]).await.unwrap());
                        };
                        loads_of_fifty(&mine, spawned, call).await
                    } else {
                        let call =
                            |source, id| async move { drop(plain(&source, &[id]).await.unwrap()) };
                        loads_of_fifty(&mine, spawned, call).await
                    }
                });
                let loads = loads.await;
                assert!(loads < 25, "limited {with}, spawned {spawned}: {loads}");
            }
        }
    });
}

// Within loads.

pub(super) type Sent<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

pub(super) fn tree_of(id: u64) -> Sent<Result<Map, Failure>> {
    Box::pin(async move { tree(&[id - 1]).await })
}

#[cached(ttl = 1h, batch(id in ids), max_concurrent_loads = 1, timeout = 5s)]
pub(super) async fn tree(ids: &[u64]) -> Result<Map, Failure> {
    for id in ids {
        if *id > 0 {
            tree_of(*id).await?;
        }
    }
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

#[test]
fn a_batch_that_calls_itself_under_a_time_limit_ends() {
    on_both_runtimes(|cache| async move {
        let redis = FakeRedis::new();
        let remote = fast(&redis).await;
        for cache in [cache, remote] {
            let begun = Instant::now();
            let found = Cache::scope(cache, tree(&[3])).await;
            assert_eq!(found.map(|found| found.len()), Ok(1));
            assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
        }
    });
}

pub(super) fn circle_of(ids: Vec<u64>) -> Sent<Result<Map, Failure>> {
    Box::pin(async move { circle(&ids).await })
}

#[cached(ttl = 1h, timeout = 5s)]
pub(super) async fn of_two(n: u64) -> Result<u64, Failure> {
    tokio::time::sleep(50 * MS).await;
    Ok(circle_of(vec![2]).await?[&2] + n)
}

#[cached(ttl = 1h, batch(id in ids), timeout = 5s)]
pub(super) async fn circle(ids: &[u64]) -> Result<Map, Failure> {
    let mut found = HashMap::new();
    for id in ids {
        found.insert(*id, if *id == 1 { of_two(9).await? } else { *id });
    }
    Ok(found)
}

#[test]
fn a_circle_through_a_batch_under_a_time_limit_is_found() {
    on_both_runtimes(|cache| async move {
        let redis = FakeRedis::new();
        let remote = fast(&redis).await;
        for cache in [cache, remote] {
            for ids in [vec![1, 2], vec![2, 1]] {
                cache.clear();
                redis.clear();
                let begun = Instant::now();
                let single = tests::spawn_in(&cache, of_two(9));
                tokio::time::sleep(10 * MS).await;
                let batch = tests::spawn_in(&cache, async move { circle(&ids).await });
                assert_eq!(ends(single).await.unwrap(), Ok(11));
                assert_eq!(ends(batch).await.unwrap().unwrap()[&1], 11);
                assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
            }
        }
    });
}

#[test]
fn a_batch_that_is_no_longer_polled_holds_up_nobody() {
    on_both_runtimes(|_| async {
        for hangs in [false, true] {
            let redis = FakeRedis::new();
            let cache = fast(&redis).await;
            if hangs {
                redis.hang();
            } else {
                redis.delay(5 * MS);
            }
            let source = Source::default();
            let mut held = Box::pin(Cache::scope(cache.clone(), soft(&source, &[1, 2])));
            assert!(futures::poll!(held.as_mut()).is_pending());
            let mine = source.clone();
            let begun = Instant::now();
            let other = tests::spawn_in(&cache, async move { soft(&mine, &[2, 3]).await });
            assert_eq!(ends(other).await.unwrap().unwrap().len(), 2);
            assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
            assert_eq!(ends(held).await.unwrap().len(), 2);
        }
    });
}

// Odd calls.

#[cached(ttl = 100s, none_ttl = 50s, skip(source), timeout = 2s, strategy = [refresh_ahead(0.5), stale_while_revalidate(100s)], batch(id in ids))]
pub(super) async fn odd(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    let mut map = source.many(ids).await?;
    map.remove(&0);
    map.insert(999, 1);
    Ok(map)
}

#[test]
fn no_key_the_same_key_twice_too_much_and_too_little() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let (a, b) = (fast(&redis).await, fast(&redis).await);
        let source = Source::default();
        assert_eq!(
            Cache::scope(a.clone(), odd(&source, &[]))
                .await
                .unwrap()
                .len(),
            0
        );
        assert_eq!(source.loads(), 0);
        let found = Cache::scope(a.clone(), odd(&source, &[1, 0, 1, 2]))
            .await
            .unwrap();
        let mut log = source.log();
        for keys in &mut log {
            keys.sort_unstable();
        }
        assert_eq!((found.len(), log), (2, vec![vec![0, 1, 2]]));
        redis.until(|redis| redis.writes() >= 3).await;
        let found = Cache::scope(b.clone(), odd(&source, &[2, 0, 1]))
            .await
            .unwrap();
        assert_eq!((found.len(), source.loads()), (2, 1));
        assert_eq!(
            Cache::scope(b.clone(), odd(&source, &[0]))
                .await
                .unwrap()
                .len(),
            0
        );
        assert_eq!(source.loads(), 1);
        assert_eq!(
            Cache::scope(b, odd(&source, &[999])).await.unwrap()[&999],
            1
        );
        assert_eq!(source.loads(), 2, "what was not asked for is not kept");
    });
}

/// Fresh, due, stale and missing keys in one call, all known to Redis alone, or to memory.
#[test]
fn keys_of_every_age_in_one_call() {
    on_both_runtimes(|_| async {
        for remote in [false, true] {
            let clock = ManualClock::new();
            let redis = FakeRedis::on(&clock);
            let make = async || {
                let builder = Cache::builder().clock(clock.clock()).fake_redis(&redis);
                builder.redis_budget(SECOND).build().await.unwrap()
            };
            let a = make().await;
            let b = if remote { make().await } else { a.clone() };
            let source = Source::default();
            for (ids, later) in [([10, 11], 50), ([20, 21], 85), ([30, 31], 1)] {
                Cache::scope(a.clone(), odd(&source, &ids)).await.unwrap();
                clock.advance(later * SECOND);
            }
            redis.until(|redis| redis.writes() >= 6).await;
            source.set(1);
            let begun = Instant::now();
            let mut found: Vec<_> =
                Cache::scope(b.clone(), odd(&source, &[10, 20, 30, 40, 11, 21, 31, 41]))
                    .await
                    .unwrap()
                    .into_iter()
                    .collect();
            found.sort_unstable();
            assert_eq!(
                found,
                [
                    (10, 0),
                    (11, 0),
                    (20, 0),
                    (21, 0),
                    (30, 0),
                    (31, 0),
                    (40, 1),
                    (41, 1)
                ]
            );
            assert!(begun.elapsed() < 500 * MS);
            tokio::time::sleep(50 * MS).await;
            let mut found: Vec<_> = Cache::scope(b.clone(), odd(&source, &[10, 20, 30, 40]))
                .await
                .unwrap()
                .into_iter()
                .collect();
            found.sort_unstable();
            assert_eq!(
                found,
                [(10, 1), (20, 1), (30, 0), (40, 1)],
                "{:?}",
                source.log()
            );
            let loads = source.loads() - 3;
            assert!(loads <= 2, "{remote}: {:?}", source.log());
        }
    });
}

#[cached(ttl = 1h, skip(source), timeout = 100ms, max_concurrent_loads = 1, batch(id in ids))]
pub(super) async fn narrow(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

#[test]
fn a_call_that_waits_for_the_slot_of_a_hung_load_times_out() {
    on_both_runtimes(|_| async {
        for remote in [false, true] {
            let redis = FakeRedis::new();
            let cache = if remote {
                fast(&redis).await
            } else {
                Cache::builder().build().await.unwrap()
            };
            let source = Source::default();
            source.0.hangs.store(true, SeqCst);
            for ids in [[1, 2], [2, 3], [4, 5]] {
                let begun = Instant::now();
                assert_eq!(
                    Cache::scope(cache.clone(), narrow(&source, &ids)).await,
                    Err(Failure::Late)
                );
                assert!(begun.elapsed() < 300 * MS, "{:?}", begun.elapsed());
            }
            source.0.hangs.store(false, SeqCst);
            tokio::time::sleep(50 * MS).await;
            let found = Cache::scope(cache.clone(), narrow(&source, &[1, 2, 3, 4, 5])).await;
            assert_eq!(found.unwrap().len(), 5);
            assert!(source.loads() <= 3, "{:?}", source.log());
        }
    });
}

//! Everything at once.

use super::*;

// Everything at once.

#[cached(
    ttl = 30ms, skip(source), strategy = [refresh_ahead(0.5), stale_while_revalidate(20ms), stale_if_error(100ms)],
    soft_timeout = 5ms, timeout = 40ms, batch(id in ids), invalidate_on = Changed { id }, max_concurrent_loads = 2
)]
pub(super) async fn stormy(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    tokio::task::yield_now().await;
    assert!(source.0.log.lock().unwrap().len() % 29 != 7, "on purpose");
    source.many(ids).await
}

#[cached(
    ttl = 30ms, skip(source), strategy = [refresh_ahead(0.5), stale_while_revalidate(20ms)],
    batch(id in ids), max_concurrent_loads = 1
)]
pub(super) async fn gusty(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    tokio::task::yield_now().await;
    source.many(ids).await
}

#[test]
fn in_a_storm_every_call_ends_and_none_has_what_an_event_made_void() {
    for threads in [0, 2] {
        let mut builder = if threads == 0 {
            tokio::runtime::Builder::new_current_thread()
        } else {
            tokio::runtime::Builder::new_multi_thread()
        };
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let redis = FakeRedis::new();
            let builder = Cache::builder().fake_redis(&redis);
            let cache = builder.redis_budget(20 * MS).build().await.unwrap();
            let random = Arc::new(tests::Random::of_seed(11 + threads));
            let source = Source::default();
            let until = Instant::now() + 12 * SECOND;
            let mut tasks = Vec::new();
            for _ in 0..24 {
                let (random, source, redis, cache) = (
                    Arc::clone(&random),
                    source.clone(),
                    redis.clone(),
                    cache.clone(),
                );
                tasks.push(tests::spawn_in(&cache.clone(), async move {
                    while Instant::now() < until {
                        let ids: Vec<u64> = (0..=random.below(8))
                            .map(|_| random.below(12) as u64)
                            .collect();
                        match random.below(20) {
                            0 => {
                                let fault = random.one_of(&[
                                    Fault::Fail,
                                    Fault::Hang,
                                    Fault::Delay(3 * MS),
                                    Fault::Delay(15 * MS),
                                ]);
                                redis.inject(Operation::Read, fault);
                            }
                            1..=3 => redis.recover(),
                            4 => {
                                let value = source.0.value.fetch_add(1, SeqCst) + 1;
                                let events: Vec<_> =
                                    ids.iter().map(|id| Changed { id: *id }).collect();
                                let _ = cache.emit(events).await;
                                let mine = source.clone();
                                let theirs = ids.clone();
                                let call =
                                    tests::spawn_in(
                                        &cache,
                                        async move { stormy(&mine, &theirs).await },
                                    );
                                if let Ok(Ok(found)) = ends(call).await {
                                    assert!(
                                        found.values().all(|found| *found >= value),
                                        "{found:?} behind {value}"
                                    );
                                }
                            }
                            5 => source.0.fails.store(random.below(3) == 0, SeqCst),
                            6 => source.0.took.store(random.below(12) as u64, SeqCst),
                            7 => {
                                let mine = source.clone();
                                let call = async move { stormy(&mine, &ids).await };
                                let wait = random.below(6) as u32 * MS;
                                let call = async move {
                                    drop(tokio::time::timeout(wait, call.refresh()).await);
                                };
                                let _ = tests::spawn_in(&cache, call).await;
                            }
                            8..=10 => {
                                let call = gusty(&source, &ids);
                                let _ =
                                    tokio::time::timeout(random.below(10) as u32 * MS, call).await;
                            }
                            11..=13 => drop(ends(gusty(&source, &ids)).await),
                            14 => redis.disconnect(),
                            15..=17 => {
                                let mine = source.clone();
                                let call = tests::spawn_in(&cache, async move {
                                    ends(stormy(&mine, &ids)).await
                                });
                                if let Err(panic) = call.await {
                                    let panic = panic.into_panic();
                                    let text =
                                        panic.downcast_ref::<&str>().map(ToString::to_string);
                                    let text = text
                                        .or_else(|| panic.downcast_ref::<String>().cloned())
                                        .unwrap_or_default();
                                    assert!(text.contains("on purpose"), "{text}");
                                }
                            }
                            _ => {
                                let mine = source.clone();
                                let call = async move { stormy(&mine, &ids).await };
                                let wait = random.below(8) as u32 * MS;
                                let _ = tests::spawn_in(&cache, async move {
                                    tokio::time::timeout(wait, call).await
                                })
                                .await;
                            }
                        }
                    }
                }));
            }
            let mut panics = 0;
            for task in tasks {
                panics += usize::from(task.await.is_err());
            }
            assert_eq!(panics, 0);
            redis.recover();
            source.0.fails.store(false, SeqCst);
            source.0.took.store(0, SeqCst);
            tokio::time::sleep(SECOND).await;
            let ids: Vec<u64> = (0..12).collect();
            let cached = Cache::scope(cache.clone(), gusty(&source, &ids));
            assert_eq!(ends(cached).await.unwrap().len(), 12);
            eprintln!("{} loads", source.loads());
            let before = cache.stats().function("gusty").unwrap().refreshes;
            for _ in 0..10 {
                tokio::time::sleep(20 * MS).await;
                ends(Cache::scope(cache.clone(), gusty(&source, &ids)))
                    .await
                    .unwrap();
            }
            assert!(
                cache.stats().function("gusty").unwrap().refreshes > before,
                "places in the background leak"
            );
            tokio::time::sleep(SECOND).await;
            let begun = Instant::now();
            let left = cache.close(5 * SECOND).await;
            assert!(begun.elapsed() < 2 * SECOND, "{left:?}");
        });
    }
}

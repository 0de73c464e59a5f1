//! Attacks on functions of many keys.

use super::*;

#[test]
fn off_two_callers_of_one_key_both_get_it() {
    on_both_runtimes(|_| async {
        let source = Source::default();
        Cache::scope(Cache::disabled(), async {
            let (one, two) = futures::join!(users(&source, &[1]), users(&source, &[1]));
            assert_eq!(
                (one.unwrap().len(), two.unwrap().len()),
                (1, 1),
                "{:?}",
                source.0.log
            );
        })
        .await;
    });
}

#[test]
fn off_by_policy_two_callers_of_one_key_both_get_it() {
    on_both_runtimes(|_| async {
        let source = Source::default();
        let policies: HashMap<String, Policy> =
            serde_json::from_str(r#"{ "users": { "off": true } }"#).unwrap();
        let cache = Cache::builder().policies(policies).build().await.unwrap();
        Cache::scope(cache, async {
            let (one, two) = futures::join!(users(&source, &[1]), users(&source, &[1]));
            assert_eq!(
                (one.unwrap().len(), two.unwrap().len()),
                (1, 1),
                "{:?}",
                source.0.log
            );
        })
        .await;
    });
}

#[test]
fn an_event_between_two_callers_takes_nobodys_value_away() {
    on_both_runtimes(|cache| async move {
        let source = Source::default();
        let (one, _, two) = futures::join!(
            users(&source, &[1]),
            cache.emit(Changed { id: 1 }),
            users(&source, &[1])
        );
        let log = source.0.log.lock().unwrap().clone();
        let later = users(&source, &[1]).await.unwrap().len();
        assert_eq!(
            (one.unwrap().len(), two.unwrap().len(), later),
            (1, 1, 1),
            "{log:?}"
        );
    });
}

#[derive(Clone)]
struct Shop(String);
impl Shop {
    #[cached(ttl = 1h, key = (self.0, id), batch(id in ids))]
    async fn named(&self, ids: &[u64]) -> HashMap<u64, String> {
        ids.iter()
            .map(|id| (*id, format!("{} {id}", self.0)))
            .collect()
    }
}

#[test]
fn what_is_in_one_expression_with_the_key_is_not_mixed_up() {
    on_both_runtimes(|_| async {
        let (a, b) = (Shop("a".into()), Shop("b".into()));
        let (one, two) = futures::join!(a.named(&[1]), b.named(&[1]));
        assert_eq!((&*one[&1], &*two[&1]), ("a 1", "b 1"));
    });
}

#[cached(ttl = 1h, key = "{tenant}/{id}", batch(id in ids))]
async fn texted(tenant: &str, ids: &[u64]) -> HashMap<u64, String> {
    ids.iter()
        .map(|id| (*id, format!("{tenant} {id}")))
        .collect()
}

#[test]
fn text_keys_are_not_mixed_up() {
    on_both_runtimes(|_| async {
        let (one, two) = futures::join!(texted("a", &[1]), texted("b", &[1]));
        assert_eq!((&*one[&1], &*two[&1]), ("a 1", "b 1"));
    });
}

#[test]
fn outside_a_runtime_a_batch_ends() {
    tests::bounded(5 * SECOND, || {
        let source = Source::default();
        let found = futures::executor::block_on(users(&source, &[1, 2]));
        assert_eq!(found.unwrap().len(), 2);
    });
}

fn tree_of(id: u64) -> Sent<HashMap<u64, u64>> {
    Box::pin(async move { tree(&[id]).await })
}
fn deep_of(id: u64) -> Sent<HashMap<u64, u64>> {
    Box::pin(async move { deep(&[id]).await })
}
fn circle_of(ids: Vec<u64>) -> Sent<HashMap<u64, u64>> {
    Box::pin(async move { circle(&ids).await })
}

#[cached(ttl = 1h, batch(id in ids), max_concurrent_loads = 1)]
async fn tree(ids: &[u64]) -> HashMap<u64, u64> {
    let mut sums = HashMap::new();
    for id in ids {
        let below: u64 = if *id > 0 {
            tree_of(*id - 1).await.values().sum()
        } else {
            0
        };
        sums.insert(*id, below + id);
    }
    sums
}

#[test]
fn a_batch_that_calls_itself_with_other_keys_ends() {
    on_both_runtimes(|_| async {
        assert_eq!(ends(tree(&[3])).await[&3], 6);
    });
}

#[cached(ttl = 1h, batch(id in ids))]
async fn deep(ids: &[u64]) -> HashMap<u64, u64> {
    let mut sums = HashMap::new();
    for id in ids {
        let below: u64 = if *id > 0 {
            deep_of(*id - 1).await.values().sum()
        } else {
            0
        };
        sums.insert(*id, below + id);
    }
    sums
}

#[test]
fn a_batch_that_calls_itself_seventeen_times_deep_ends() {
    on_both_runtimes(|_| async {
        assert_eq!(ends(deep(&[20])).await[&20], 210);
    });
}

#[cached(ttl = 1h)]
async fn of_two(n: u64) -> u64 {
    tokio::time::sleep(50 * MS).await;
    circle_of(vec![2]).await[&2] + n
}

/// Only the value of 1 needs another function, which needs that of 2, which needs nothing.
#[cached(ttl = 1h, batch(id in ids))]
async fn circle(ids: &[u64]) -> HashMap<u64, u64> {
    let mut found = HashMap::new();
    for id in ids {
        found.insert(*id, if *id == 1 { of_two(9).await } else { *id });
    }
    found
}

async fn circle_in_order(cache: Cache, ids: Vec<u64>) {
    let single = tests::spawn_in(&cache, of_two(9));
    tokio::time::sleep(10 * MS).await;
    let batch = tests::spawn_in(&cache, async move { circle(&ids).await });
    assert_eq!(ends(single).await.unwrap(), 11);
    assert_eq!(ends(batch).await.unwrap()[&1], 11);
}

#[test]
fn a_circle_through_the_first_of_several_keys_is_found() {
    on_both_runtimes(|cache| circle_in_order(cache, vec![2, 1]));
}

#[test]
fn a_circle_through_the_last_of_several_keys_is_found() {
    on_both_runtimes(|cache| circle_in_order(cache, vec![1, 2]));
}

#[test]
fn max_concurrent_loads_holds_for_all_that_the_keys_have_in_common() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    #[cached(ttl = 1h, batch(id in ids), max_concurrent_loads = 2)]
    async fn slow(tenant: u64, ids: &[u64]) -> HashMap<u64, u64> {
        MOST.fetch_max(RUNS.fetch_add(1, SeqCst) + 1, SeqCst);
        tokio::time::sleep(20 * MS).await;
        RUNS.fetch_sub(1, SeqCst);
        ids.iter().map(|id| (*id, *id + tenant)).collect()
    }
    on_both_runtimes(|_| async {
        futures::future::join_all((0..50).map(|tenant| async move { slow(tenant, &[1]).await }))
            .await;
        assert_eq!(MOST.load(SeqCst), 2);
    });
}

#[test]
fn ten_thousand_keys() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let (a, b) = (tests::process(&redis).await, tests::process(&redis).await);
        let source = Source::default();
        let ids: Vec<u64> = (0..10_000).collect();
        let begun = Instant::now();
        let found = Cache::scope(a.clone(), users(&source, &ids)).await.unwrap();
        eprintln!(
            "first: {:?}, {} loads",
            begun.elapsed(),
            source.0.log.lock().unwrap().len()
        );
        assert_eq!(found.len(), 10_000);
        redis.until(|redis| redis.writes() >= 10_000).await;
        source.0.log.lock().unwrap().clear();
        let begun = Instant::now();
        let found = Cache::scope(b.clone(), users(&source, &ids)).await.unwrap();
        eprintln!(
            "second: {:?}, {} loads",
            begun.elapsed(),
            source.0.log.lock().unwrap().len()
        );
        assert_eq!(found.len(), 10_000);
        let begun = Instant::now();
        Cache::scope(b.clone(), users(&source, &ids)).await.unwrap();
        eprintln!("hits: {:?}", begun.elapsed());
        assert!(
            source.0.log.lock().unwrap().len() < 5,
            "loaded what Redis has"
        );
    });
}

#[test]
fn a_caller_that_is_no_longer_polled_holds_up_nobody() {
    on_both_runtimes(|cache| async move {
        let source = Source::default();
        let mut held = Box::pin(users(&source, &[1, 2]));
        std::future::poll_fn(|cx| {
            assert!(held.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        let mine = source.clone();
        let other = tests::spawn_in(&cache, async move { users(&mine, &[2, 3]).await });
        assert_eq!(ends(other).await.unwrap().unwrap().len(), 2);
        assert_eq!(ends(held).await.unwrap().len(), 2);
    });
}

#[test]
fn callers_dropped_at_any_moment_leave_a_batch_that_works() {
    #[cached(ttl = 1h, batch(id in ids), max_concurrent_loads = 2)]
    async fn slow(ids: &[u64]) -> HashMap<u64, u64> {
        for _ in 0..ids.len() % 4 {
            tokio::task::yield_now().await;
        }
        ids.iter().map(|id| (*id, *id)).collect()
    }
    on_both_runtimes(|cache| async move {
        let random = Arc::new(tests::Random::of_seed(7));
        let mut tasks = Vec::new();
        for _ in 0..300 {
            let random = Arc::clone(&random);
            tasks.push(tests::spawn_in(&cache, async move {
                for _ in 0..10 {
                    let ids: Vec<u64> = (0..=random.below(5))
                        .map(|_| random.below(200) as u64)
                        .collect();
                    let mut call = Box::pin(slow(&ids));
                    let polls = random.below(6);
                    let mut polled = 0;
                    let ended = std::future::poll_fn(|cx| {
                        if polled == polls {
                            return std::task::Poll::Ready(false);
                        }
                        polled += 1;
                        call.as_mut().poll(cx).map(|_| true)
                    });
                    let _ = tokio::time::timeout(5 * MS, ended).await;
                }
                let ids: Vec<u64> = (0..20).map(|_| random.below(200) as u64).collect();
                let found = ends(slow(&ids)).await;
                assert!(ids.iter().all(|id| found[id] == *id));
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn redis_that_hangs_or_fails_during_the_read_of_a_batch() {
    tests::bounded(20 * SECOND, || {
        on_both_runtimes(|_| async {
            let redis = FakeRedis::new();
            let cache = tests::process(&redis).await;
            let source = Source::default();
            redis.hang();
            let ids: Vec<u64> = (0..500).collect();
            let begun = Instant::now();
            let found = ends(Cache::scope(cache.clone(), users(&source, &ids)))
                .await
                .unwrap();
            assert_eq!(found.len(), 500);
            assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
            redis.fail();
            let ids: Vec<u64> = (500..1_000).collect();
            let found = ends(Cache::scope(cache, users(&source, &ids)))
                .await
                .unwrap();
            assert_eq!(found.len(), 500);
            assert!(
                source.0.log.lock().unwrap().len() < 14,
                "{}",
                source.0.log.lock().unwrap().len()
            );
        });
    });
}

#[test]
fn one_event_of_several_keys_in_an_outer_function() {
    #[cached(ttl = 1h, skip(source), invalidate_on = Changed { id })]
    async fn outer(source: &Source, id: u64) -> u64 {
        users(source, &[id, id + 1]).await.unwrap();
        source.load().await.unwrap()
    }
    on_both_runtimes(|cache| async move {
        let source = Source::default();
        outer(&source, 1).await;
        cache.emit(Changed { id: 1 }).await.unwrap();
        source.set(5);
        assert_eq!(outer(&source, 1).await, 5);
        assert_eq!(*source.0.log.lock().unwrap().last().unwrap(), [1]);
    });
}

#[test]
fn a_caller_does_not_get_what_was_loaded_for_anothers_arguments() {
    on_both_runtimes(|_| async {
        let (a, b) = (Shop("a".into()), Shop("b".into()));
        let (one, two) = futures::join!(a.named(&[1]), b.named(&[2]));
        assert_eq!((&*one[&1], &*two[&2]), ("a 1", "b 2"));
    });
}

#[test]
fn loads_that_have_not_begun_and_that_nobody_wants_do_not_begin() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    #[cached(ttl = 1h, batch(id in ids), max_concurrent_loads = 1)]
    async fn slow(ids: &[u64]) -> HashMap<u64, u64> {
        RUNS.fetch_add(1, SeqCst);
        tokio::time::sleep(100 * MS).await;
        ids.iter().map(|id| (*id, *id)).collect()
    }
    on_both_runtimes(|_| async {
        RUNS.store(0, SeqCst);
        // Ten callers who each give up and ask again.
        for _ in 0..10 {
            tokio::time::timeout(5 * MS, slow(&[1, 2]))
                .await
                .unwrap_err();
        }
        assert_eq!(ends(slow(&[1, 2])).await.len(), 2);
        assert!(
            RUNS.load(SeqCst) <= 2,
            "{} loads, one after the other",
            RUNS.load(SeqCst)
        );
    });
}

#[test]
fn an_error_of_many_callers_is_one_load() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    #[cached(ttl = 1h, batch(id in ids))]
    async fn failing(ids: &[u64]) -> Result<HashMap<u64, u64>, Failure> {
        RUNS.fetch_add(1, SeqCst);
        tokio::time::sleep(20 * MS).await;
        let _ = ids;
        Err(Failure::No)
    }
    on_both_runtimes(|cache| async move {
        RUNS.store(0, SeqCst);
        let call = |id: u64| tests::spawn_in(&cache, async move { failing(&[0, id]).await });
        let calls: Vec<_> = (1..=50).map(call).collect();
        for call in calls {
            assert_eq!(ends(call).await.unwrap(), Err(Failure::No));
        }
        assert!(RUNS.load(SeqCst) <= 26, "{}", RUNS.load(SeqCst));
    });
}

#[test]
fn a_runtime_that_is_shut_down_while_it_loads_anothers_keys() {
    static CLOSED: AtomicBool = AtomicBool::new(true);
    #[cached(ttl = 1h, batch(id in ids))]
    async fn slow(ids: &[u64]) -> HashMap<u64, u64> {
        if CLOSED.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        ids.iter().map(|id| (*id, *id)).collect()
    }
    let (one, two) = (one_worker(), one_worker());
    let cache = one.block_on(Cache::builder().build()).unwrap();
    let first = one.spawn(Cache::scope(cache.clone(), async { slow(&[1, 2]).await }));
    std::thread::sleep(50 * MS);
    let second = two.spawn(Cache::scope(cache, async { slow(&[2]).await }));
    std::thread::sleep(50 * MS);
    CLOSED.store(false, SeqCst);
    one.shutdown_timeout(SECOND);
    drop(first);
    assert_eq!(two.block_on(ends(second)).unwrap()[&2], 2);
}

#[test]
fn a_policy_with_strategies_for_a_batch_hangs_nobody() {
    let policies: HashMap<String, Policy> = serde_json::from_str(
        r#"{ "users": { "refresh_ahead": 0.5, "stale_while_revalidate": "2h", "stale_if_error": "3h", "soft_timeout": "10ms" } }"#,
    )
    .unwrap();
    one_thread(|clock, _| async move {
        let cache = Cache::builder()
            .clock(clock.clock())
            .policies(policies)
            .build()
            .await
            .unwrap();
        Cache::scope(cache, async {
            let source = Source::default();
            for age in [0, 2_000, 5_000, 9_000] {
                clock.advance(age * SECOND);
                assert_eq!(ends(users(&source, &[1, 2])).await.unwrap().len(), 2);
            }
        })
        .await;
    });
}

/// Where more than 128 reads of one batch end at one moment, tokio asks the task to yield, which it never does.
#[test]
fn many_reads_that_end_at_one_moment_do_not_block_the_thread() {
    tests::bounded(15 * SECOND, || {
        on_both_runtimes(|_| async {
            let redis = FakeRedis::new();
            let cache = tests::process(&redis).await;
            let source = Source::default();
            redis.hang();
            let ids: Vec<u64> = (0..500).collect();
            let busy = async {
                tokio::time::sleep(20 * MS).await;
                std::thread::sleep(300 * MS);
            };
            let (found, ()) = futures::join!(Cache::scope(cache, users(&source, &ids)), busy);
            assert_eq!(found.unwrap().len(), 500);
        });
    });
}

#[test]
fn nor_in_a_task() {
    tests::bounded(15 * SECOND, || {
        on_both_runtimes(|_| async {
            let redis = FakeRedis::new();
            let cache = tests::process(&redis).await;
            let source = Source::default();
            redis.hang();
            let ids: Vec<u64> = (0..500).collect();
            let busy = async {
                tokio::time::sleep(20 * MS).await;
                std::thread::sleep(300 * MS);
            };
            let both = tests::spawn_in(&cache, async move {
                futures::join!(users(&source, &ids), busy).0
            });
            let found = both.await.unwrap();
            assert_eq!(found.unwrap().len(), 500);
        });
    });
}

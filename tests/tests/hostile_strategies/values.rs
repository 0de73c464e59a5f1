//! Attacks on what becomes of old values, and on policies.

use super::*;

#[test]
fn what_is_void_is_never_part_of_what_another_load_makes() {
    one_thread(|_, cache| async move {
        let source = Source::default();
        source.set(1);
        assert_eq!(lenient(&source, 1).await, Ok(1));
        source.set(2);
        cache.emit(Changed { id: 1 }).await.unwrap();
        source.0.fails.store(true, SeqCst);
        assert_eq!(lenient(&source, 1).await, Ok(1), "as it says");
        tests::until("the refresh fails", || source.begun() == 2).await;
        tokio::time::sleep(20 * MS).await;
        source.0.fails.store(false, SeqCst);
        assert_eq!(made(&source, 1).await, Ok(2));
    });
}

#[test]
fn a_load_that_hangs_behind_its_timeout_is_given_up_at_some_time() {
    #[cached(ttl = 10s, skip(source), timeout = 1s)]
    async fn limited(source: &Source) -> Result<u64, Failure> {
        source.load().await
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let cache = Cache::builder().build().await.unwrap();
        Cache::scope(cache, async {
            let source = Source::default();
            source.0.hangs.store(true, SeqCst);
            limited(&source).await.unwrap_err();
            tokio::time::sleep(SECOND).await;
            source.0.hangs.store(false, SeqCst);
            tokio::time::sleep(180 * SECOND).await;
            let late = limited(&source).await;
            assert!(late.is_ok(), "{late:?} {}", source.begun());
        })
        .await;
    });
}

#[test]
fn a_load_that_hangs_behind_a_soft_timeout_is_given_up_at_some_time() {
    #[cached(ttl = 10s, skip(source), strategy = stale_if_error(1h), soft_timeout = 50ms)]
    async fn soft(source: &Source) -> Result<u64, Failure> {
        source.load().await
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
        Cache::scope(cache, async {
            let source = Source::default();
            soft(&source).await.unwrap();
            clock.advance(20 * SECOND);
            source.0.hangs.store(true, SeqCst);
            soft(&source).await.unwrap();
            tokio::time::sleep(SECOND).await;
            source.0.hangs.store(false, SeqCst);
            for _ in 0..10 {
                tokio::time::sleep(30 * SECOND).await;
                clock.advance(30 * SECOND);
                soft(&source).await.unwrap();
            }
            assert!(source.begun() > 2, "it hangs for ever");
        })
        .await;
    });
}

#[test]
fn an_error_that_is_kept_does_not_end_what_is_served_while_it_is_loaded() {
    #[cached(ttl = 10s, err_ttl = 60s, skip(source), strategy = stale_while_revalidate(1h))]
    async fn both(source: &Source) -> Result<u64, Failure> {
        source.load().await
    }
    one_thread(|clock, _| async move {
        let source = Source::default();
        both(&source).await.unwrap();
        clock.advance(20 * SECOND);
        source.0.fails.store(true, SeqCst);
        assert_eq!(both(&source).await, Ok(0));
        tokio::time::sleep(20 * MS).await;
        assert_eq!(
            both(&source).await,
            Ok(0),
            "past its ttl by less than an hour"
        );
    });
}

#[test]
fn of_a_fleet_a_loader_that_is_dropped_lets_go() {
    #[cached(ttl = 10s, key = (), fleet, inline)]
    async fn fleeting(source: &Source) -> Result<u64, Failure> {
        source.load().await
    }
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let cache = tests::process(&redis).await;
        Cache::scope(cache, async {
            let source = Source::default();
            source.0.hangs.store(true, SeqCst);
            tokio::time::timeout(50 * MS, fleeting(&source))
                .await
                .unwrap_err();
            source.0.hangs.store(false, SeqCst);
            let begun = Instant::now();
            fleeting(&source).await.unwrap();
            assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
        })
        .await;
    });
}

#[test]
fn what_is_done_by_hand_during_a_background_or_led_load_is_the_last_word() {
    #[cached(ttl = 10s, skip(source), strategy = [stale_while_revalidate(1h), stale_if_error(2h)], timeout = 5s)]
    async fn slow(source: &Source, background: bool) -> Result<u64, Failure> {
        let value = source.load().await;
        tokio::time::sleep(30 * MS).await;
        value
    }
    one_thread(|clock, cache| async move {
        for background in [true, false] {
            for what in ["evict", "put", "refresh", "clear"] {
                cache.clear();
                let source = Source::default();
                if background {
                    slow(&source, background).await.unwrap();
                    clock.advance(20 * SECOND);
                    assert_eq!(slow(&source, background).await, Ok(0));
                }
                let mine = source.clone();
                let led = tests::spawn_in(&cache, async move { slow(&mine, background).await });
                tokio::time::sleep(10 * MS).await;
                source.set(9);
                match what {
                    "evict" => slow(&source, background).evict().await.unwrap(),
                    "put" => slow(&source, background).put(Ok(9)).await.unwrap(),
                    "refresh" => {
                        slow(&source, background).refresh().await.unwrap().unwrap();
                    }
                    _ => cache.clear(),
                }
                tokio::time::sleep(60 * MS).await;
                led.await.unwrap().unwrap();
                assert_eq!(
                    slow(&source, background).await,
                    Ok(9),
                    "{background} {what}"
                );
            }
        }
    });
}

#[test]
fn a_failed_refresh_by_a_panic_is_tried_again_before_the_value_is_gone() {
    #[cached(ttl = 10s, skip(source), strategy = stale_while_revalidate(1h))]
    async fn panicking(source: &Source) -> u64 {
        source.load().await.expect("on purpose")
    }
    one_thread(|clock, _| async move {
        let source = Source::default();
        panicking(&source).await;
        clock.advance(20 * SECOND);
        source.0.fails.store(true, SeqCst);
        panicking(&source).await;
        tokio::time::sleep(20 * MS).await;
        assert_eq!(source.begun(), 2);
        clock.advance(11 * SECOND);
        panicking(&source).await;
        tokio::time::sleep(20 * MS).await;
        assert_eq!(source.begun(), 3, "as after an error, ten seconds later");
    });
}

#[test]
fn led_loads_take_part_in_the_search_for_circles() {
    #[cached(ttl = 1h, timeout = 30s, max_concurrent_loads = 1)]
    async fn a(n: u64) -> Result<u64, Failure> {
        tokio::time::sleep(20 * MS).await;
        if n == 0 { Ok(0) } else { b_of(n - 1).await }
    }
    fn b_of(n: u64) -> Sent<Result<u64, Failure>> {
        Box::pin(b(n))
    }
    #[cached(ttl = 1h, timeout = 30s, max_concurrent_loads = 1)]
    async fn b(n: u64) -> Result<u64, Failure> {
        tokio::time::sleep(20 * MS).await;
        Box::pin(a(n.saturating_sub(1))).await
    }
    on_both_runtimes(|cache| async move {
        let one = tests::spawn_in(&cache, a(5));
        let two = tests::spawn_in(&cache, b(5));
        let three = tests::spawn_in(&cache, a(4));
        for call in [one, two, three] {
            assert_eq!(ends(call).await.unwrap(), Ok(0));
        }
    });
}

#[test]
fn a_value_of_none_that_is_not_kept_ends_the_one_before() {
    #[cached(ttl = |_| Duration::from_secs(10), skip(source), strategy = stale_while_revalidate(1h))]
    async fn gone(source: &Source) -> Option<u64> {
        source.load().await.ok()
    }
    one_thread(|clock, _| async move {
        let source = Source::default();
        gone(&source).await;
        clock.advance(20 * SECOND);
        source.0.fails.store(true, SeqCst);
        assert_eq!(gone(&source).await, Some(0));
        tokio::time::sleep(20 * MS).await;
        assert_eq!(gone(&source).await, None);
    });
}

#[test]
fn a_stale_value_from_redis_is_not_adopted_after_an_evict() {
    #[cached(ttl = 10s, skip(source), strategy = stale_if_error(1h))]
    async fn forgiven(source: &Source) -> Result<u64, Failure> {
        source.load().await?;
        tokio::time::sleep(40 * MS).await;
        source.load().await
    }
    one_thread(|clock, _| async move {
        let redis = FakeRedis::on(&clock);
        let build = || {
            Cache::builder()
                .clock(clock.clock())
                .fake_redis(&redis)
                .build()
        };
        let (a, b) = (build().await.unwrap(), build().await.unwrap());
        let source = Source::default();
        Cache::scope(a, forgiven(&source)).await.unwrap();
        redis.until(|redis| redis.writes() > 0).await;
        clock.advance(20 * SECOND);
        let mine = source.clone();
        let call = tests::spawn_in(&b, async move { forgiven(&mine).await });
        tokio::time::sleep(20 * MS).await;
        Cache::scope(b.clone(), forgiven(&source).evict())
            .await
            .unwrap();
        source.0.fails.store(true, SeqCst);
        let first = call.await.unwrap();
        let second = Cache::scope(b, forgiven(&source)).await;
        assert_eq!(second, Err(Failure::No), "{first:?}");
        assert_eq!(first, Err(Failure::No), "the one that was evicted answered");
    });
}

#[test]
fn what_was_evicted_while_a_load_was_under_way_does_not_stand_in_for_it() {
    #[cached(ttl = 10s, skip(source), strategy = stale_if_error(1h))]
    async fn forgiven(source: &Source) -> Result<u64, Failure> {
        let value = source.load().await;
        tokio::time::sleep(40 * MS).await;
        if source.0.fails.load(SeqCst) {
            Err(Failure::No)
        } else {
            value
        }
    }
    one_thread(|clock, cache| async move {
        for what in ["evict", "clear"] {
            let source = Source::default();
            forgiven(&source).await.unwrap();
            clock.advance(20 * SECOND);
            let mine = source.clone();
            let call = tests::spawn_in(&cache, async move { forgiven(&mine).await });
            tokio::time::sleep(20 * MS).await;
            source.0.fails.store(true, SeqCst);
            if what == "evict" {
                forgiven(&source).evict().await.unwrap();
            } else {
                cache.clear();
            }
            assert_eq!(
                call.await.unwrap(),
                Err(Failure::No),
                "{what}: an evicted value is served"
            );
        }
    });
}

#[test]
fn what_was_evicted_does_not_stand_in_for_a_load_that_is_late() {
    #[cached(ttl = 10s, skip(source), strategy = stale_if_error(1h), soft_timeout = 50ms)]
    async fn soft(source: &Source) -> Result<u64, Failure> {
        source.load().await
    }
    one_thread(|clock, cache| async move {
        for what in ["evict", "clear"] {
            let source = Source::default();
            soft(&source).await.unwrap();
            clock.advance(20 * SECOND);
            source.0.hangs.store(true, SeqCst);
            let mine = source.clone();
            let call = tests::spawn_in(&cache, async move { soft(&mine).await });
            tokio::time::sleep(10 * MS).await;
            if what == "evict" {
                soft(&source).evict().await.unwrap();
            } else {
                cache.clear();
            }
            let ended = tokio::time::timeout(200 * MS, call).await;
            assert!(
                ended.is_err(),
                "{what}: an evicted value is served: {ended:?}"
            );
        }
    });
}

#[test]
fn a_stale_value_from_redis_that_an_event_makes_void_does_not_stand_in() {
    #[cached(ttl = 10s, skip(source), strategy = stale_if_error(1h), invalidate_on = Changed { id })]
    async fn forgiven(source: &Source, id: u64) -> Result<u64, Failure> {
        let value = source.load().await;
        tokio::time::sleep(40 * MS).await;
        if source.0.fails.load(SeqCst) {
            Err(Failure::No)
        } else {
            value
        }
    }
    one_thread(|clock, _| async move {
        let redis = FakeRedis::on(&clock);
        let build = || {
            Cache::builder()
                .clock(clock.clock())
                .fake_redis(&redis)
                .build()
        };
        let (a, b) = (build().await.unwrap(), build().await.unwrap());
        let source = Source::default();
        Cache::scope(a, forgiven(&source, 1)).await.unwrap();
        redis.until(|redis| redis.writes() > 0).await;
        clock.advance(20 * SECOND);
        let mine = source.clone();
        let call = tests::spawn_in(&b, async move { forgiven(&mine, 1).await });
        tokio::time::sleep(20 * MS).await;
        b.emit(Changed { id: 1 }).await.unwrap();
        source.0.fails.store(true, SeqCst);
        assert_eq!(call.await.unwrap(), Err(Failure::No));
        assert_eq!(
            Cache::scope(b, forgiven(&source, 1)).await,
            Err(Failure::No)
        );
    });
}

#[test]
fn the_runtime_of_a_led_load_is_shut_down() {
    static CLOSED: AtomicBool = AtomicBool::new(true);
    #[cached(ttl = 1h, timeout = 30s)]
    async fn slow() -> Result<u64, Failure> {
        if CLOSED.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(7)
    }
    let (one, two) = (one_worker(), one_worker());
    let cache = one.block_on(Cache::builder().build()).unwrap();
    let first = one.spawn(Cache::scope(cache.clone(), slow()));
    std::thread::sleep(50 * MS);
    let second = two.spawn(Cache::scope(cache, slow()));
    std::thread::sleep(50 * MS);
    CLOSED.store(false, SeqCst);
    one.shutdown_timeout(SECOND);
    drop(first);
    assert_eq!(two.block_on(ends(second)).unwrap(), Ok(7));
}

#[test]
fn many_waiters_of_a_late_or_failing_load_are_one_load() {
    #[derive(Debug)]
    struct Unshared;
    impl From<TimedOut> for Unshared {
        fn from(_: TimedOut) -> Self {
            Self
        }
    }
    #[cached(ttl = 10s, skip(source), strategy = stale_if_error(1h), timeout = 1s, max_concurrent_loads = 1)]
    async fn unshared(source: &Source, id: u64) -> Result<u64, Unshared> {
        let value = source.load().await.map_err(|_| Unshared);
        tokio::time::sleep(20 * MS).await;
        value
    }
    one_thread(|clock, cache| async move {
        let source = Source::default();
        unshared(&source, 1).await.unwrap();
        clock.advance(20 * SECOND);
        source.0.fails.store(true, SeqCst);
        let call = || {
            let source = source.clone();
            tests::spawn_in(&cache, async move { unshared(&source, 1).await.ok() })
        };
        let calls: Vec<_> = (0..100).map(|_| call()).collect();
        for call in calls {
            assert_eq!(ends(call).await.unwrap(), Some(0));
        }
        assert_eq!(source.begun(), 2);
    });
}

#[test]
fn an_event_between_the_claim_of_a_refresh_and_the_end_of_its_load() {
    #[cached(ttl = 10s, skip(source), strategy = refresh_ahead(0.5), invalidate_on = Changed { id })]
    async fn ahead(source: &Source, id: u64) -> u64 {
        let value = source.load().await.unwrap();
        tokio::time::sleep(30 * MS).await;
        value
    }
    one_thread(|clock, cache| async move {
        let source = Source::default();
        source.set(1);
        ahead(&source, 1).await;
        clock.advance(8 * SECOND);
        assert_eq!(ahead(&source, 1).await, 1);
        tokio::time::sleep(10 * MS).await;
        source.set(2);
        cache.emit(Changed { id: 1 }).await.unwrap();
        assert_eq!(ahead(&source, 1).await, 2);
        tokio::time::sleep(50 * MS).await;
        assert_eq!(ahead(&source, 1).await, 2);
    });
}

#[test]
fn which_of_two_policies_that_fit_counts_is_the_same_each_time() {
    #[cached(ttl = 1h)]
    async fn twofold(n: u64) -> u64 {
        n
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut lives = std::collections::BTreeSet::new();
        for _ in 0..20 {
            let policies: HashMap<String, Policy> = serde_json::from_str(
                r#"{ "twofold": { "ttl": "100s" },
                     "p01_which_of_two_policies_that_fit_counts_is_the_same_each_time::twofold": { "ttl": "1000s" } }"#,
            )
            .unwrap();
            let clock = ManualClock::new();
            let cache = Cache::builder().clock(clock.clock()).policies(policies).build().await.unwrap();
            let explained = Cache::scope(cache, twofold(1).explain()).await.unwrap();
            lives.insert(explained.time_left.unwrap().as_secs());
        }
        assert_eq!(lives.len(), 1, "{lives:?}");
    });
}

#[derive(Event)]
#[event(used_elsewhere)]
struct Renamed {
    id: u64,
}

#[cached(
    ttl = 1h,
    tiers = memory,
    strategy = stale_if_invalidated(1h),
    skip(table),
    invalidate_on = [Changed { id }, Renamed { id }]
)]
async fn named_twice(table: &Table, id: u64) -> u64 {
    table.value()
}

#[test]
fn what_events_of_different_kinds_made_void_is_not_served() {
    one_thread(|_, cache| async move {
        let table = Table::default();
        assert_eq!(named_twice(&table, 1).await, 0);
        table.set(1);
        cache.emit(Changed { id: 1 }).await.unwrap();
        table.set(2);
        cache.emit(Renamed { id: 1 }).await.unwrap();
        assert_eq!(named_twice(&table, 1).await, 2);
    });
}

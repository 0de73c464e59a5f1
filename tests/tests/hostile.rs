//! Values, wakers, bounds and callers at their worst: none of them harms a cache or another caller.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use allocation_counter::measure;
use cache_core::{Cache, CacheBuilder, CachedCall, Eviction, cached, testing::ManualClock};
use futures::{FutureExt, executor::block_on};
use tests::{Random, Runs, SOON, bounded, on_both_runtimes, spawn_in, until};
use tokio::{runtime::Builder, time::sleep};

const POLICIES: [Eviction; 2] = [Eviction::Adaptive, Eviction::Lru];

/// Runs a test on this thread, in a cache of its own.
fn in_cache<F: Future<Output = ()>>(builder: CacheBuilder, test: impl FnOnce(Cache) -> F) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let cache = block_on(builder.build()).unwrap();
    runtime.block_on(Cache::scope(cache.clone(), test(cache)));
}

/// Polls a call once: a hit is ready, without a wake and without a runtime.
fn hit<F: Future>(call: F) -> F::Output {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a hit awaits nothing"),
    }
}

#[test]
fn a_value_whose_drop_looks_at_the_cache_deadlocks_no_clear() {
    struct Looking(Cache);
    impl Drop for Looking {
        fn drop(&mut self) {
            assert!(self.0.stats().entries <= 1);
        }
    }
    #[cached(ttl = 1h, tiers = memory)]
    async fn looking(id: u64) -> Arc<Looking> {
        Arc::new(Looking(Cache::current()))
    }
    bounded(SOON, || {
        for policy in POLICIES {
            in_cache(Cache::builder().eviction(policy), |cache| async move {
                looking(1).await;
                cache.clear();
                assert_eq!(cache.stats().entries, 0);
            });
        }
    });
}

#[test]
fn a_value_whose_drop_evicts_its_key_deadlocks_nobody() {
    struct Evicting(u64, Cache);
    impl Drop for Evicting {
        fn drop(&mut self) {
            let evict = evicting(self.0).evict();
            Cache::scope(self.1.clone(), evict).now_or_never();
        }
    }
    #[cached(ttl = Duration::from_nanos(1), tiers = memory, inline, weight = |_value| 40_000)]
    async fn evicting(id: u64) -> Arc<Evicting> {
        Arc::new(Evicting(id, Cache::current()))
    }
    bounded(SOON, || {
        let clock = ManualClock::new();
        // Room for one of three keys, so that values leave by expiry and by eviction.
        let builder = Cache::builder()
            .clock(clock.clock())
            .memory_limit(1 << 16)
            .eviction(Eviction::Lru);
        let cache = block_on(builder.build()).unwrap();
        let end = Instant::now() + Duration::from_secs(1);
        let random = Random::of_seed(1);
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    while Instant::now() < end {
                        clock.advance(Duration::from_nanos(2));
                        let call = evicting(random.below(3) as u64);
                        Cache::scope(cache.clone(), call).now_or_never();
                    }
                });
            }
        });
    });
}

#[test]
fn a_value_whose_drop_panics_loses_no_waiter_and_no_slot() {
    static RUNS: Runs = Runs::new();
    struct Loud(usize);
    impl Drop for Loud {
        fn drop(&mut self) {
            assert!(self.0 != 0 || thread::panicking(), "the first one is loud");
        }
    }
    #[cached(ttl = 1h, tiers = memory, max_concurrent_loads = 1)]
    async fn loud(id: u64) -> Arc<Loud> {
        let run = RUNS.add();
        sleep(Duration::from_millis(20)).await;
        Arc::new(Loud(run))
    }
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
        Cache::scope(cache.clone(), async { drop(loud(1).await) }).await;
        clock.advance(Duration::from_hours(1));
        let calls: Vec<_> = (0..5)
            .map(|_| spawn_in(&cache, async { loud(1).await.0 }))
            .collect();
        let mut panics = 0;
        for call in calls {
            panics += usize::from(call.await.is_err());
        }
        assert!(panics <= 1, "only who dropped it hears of it");
        assert_ne!(
            spawn_in(&cache, async { loud(2).await.0 }).await.unwrap(),
            0
        );
        RUNS.take();
    });
}

#[test]
fn a_waker_that_panics_does_not_end_the_watchdog() {
    struct Panicking(AtomicBool);
    impl Wake for Panicking {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
            panic!("a waker panics")
        }
    }
    #[cached(ttl = 1h, inline)]
    async fn slow(id: u64) -> u64 {
        sleep(Duration::from_millis(20)).await;
        id
    }
    on_both_runtimes(|cache| async move {
        let mut left_behind = Box::pin(slow(1));
        assert!(futures::poll!(&mut left_behind).is_pending());
        let panicking = Arc::new(Panicking(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&panicking));
        let mut waiter = Box::pin(slow(1));
        let polled = waiter.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        until("the waker panicked", || panicking.0.load(Ordering::SeqCst)).await;
        drop(waiter);

        let mut left_behind = Box::pin(slow(2));
        assert!(futures::poll!(&mut left_behind).is_pending());
        assert_eq!(spawn_in(&cache, slow(2)).await.unwrap(), 2);
    });
}

#[test]
fn kept_errors_are_bounded_apart_from_weighed_values() {
    #[derive(Clone, Debug)]
    struct Opaque;
    #[cached(ttl = 1h, err_ttl = 1h)]
    async fn mixed(id: u64) -> Result<u64, Opaque> {
        if id < 20 { Ok(id) } else { Err(Opaque) }
    }
    for policy in POLICIES {
        let builder = || Cache::builder().unweighed_limit(10).eviction(policy);
        in_cache(builder(), |cache| async move {
            for id in 0..1_000 {
                let _ = mixed(id).await;
            }
            assert_eq!(cache.stats().entries, 20 + 10, "values do not make room");
        });
        in_cache(builder(), |cache| async move {
            for id in (20..25).chain(0..20).chain([30]) {
                let _ = mixed(id).await;
            }
            assert_eq!(cache.stats().entries, 20 + 6, "values do not take room");
        });
    }
}

#[test]
fn an_error_with_a_lifetime_of_zero_is_not_kept() {
    #[cached(ttl = 1h, err_ttl = Duration::ZERO)]
    async fn failing(id: u64) -> Result<u64, String> {
        Err(id.to_string())
    }
    in_cache(Cache::builder(), |cache| async move {
        assert!(failing(1).await.is_err());
        assert_eq!(cache.stats().entries, 0);
    });
}

#[test]
fn lifetimes_at_both_ends_of_their_range_hold() {
    const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);
    #[cached(ttl = Duration::MAX)]
    async fn forever(id: u64) -> u64 {
        id
    }
    #[cached(ttl = Duration::ZERO)]
    async fn never(id: u64) -> u64 {
        id
    }
    let clock = ManualClock::new();
    in_cache(Cache::builder().clock(clock.clock()), |cache| async move {
        forever(1).await;
        never(1).await;
        assert_eq!(cache.stats().entries, 1);
        clock.advance(CENTURY * 5);
        assert_eq!(forever(1).peek().await, Some(1));
        let explained = forever(1).explain().await.unwrap();
        assert!(
            explained
                .time_left
                .is_some_and(|left| left > Duration::ZERO)
        );
    });
}

#[test]
fn limits_at_both_ends_of_their_range_hold() {
    #[cached(ttl = 1h)]
    async fn text(id: u64) -> String {
        id.to_string()
    }
    for limit in [1 << 16, 1 << 40, u64::MAX / 2, u64::MAX] {
        for policy in POLICIES {
            let builder = Cache::builder()
                .memory_limit(limit)
                .unweighed_limit(usize::MAX)
                .eviction(policy);
            in_cache(builder, |cache| async move {
                for id in 0..1_000 {
                    text(id).await;
                }
                let stats = cache.stats();
                let are_all_kept = stats.entries == 1_000;
                assert_eq!(are_all_kept, limit > 1 << 16, "{limit} {policy:?}");
                assert!(stats.bytes <= limit, "{limit} {policy:?}");
            });
        }
    }
}

#[test]
fn a_value_too_heavy_for_memory_takes_the_older_one_with_it() {
    static LENGTH: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn growing(id: u64) -> String {
        "x".repeat(LENGTH.add() * 200_000)
    }
    for policy in POLICIES {
        let builder = Cache::builder().memory_limit(100_000).eviction(policy);
        in_cache(builder, |cache| async move {
            let is_empty = || {
                let stats = cache.stats();
                let row = stats.function("growing").unwrap();
                (stats.entries, stats.bytes, row.entries, row.bytes) == (0, 0, 0, 0)
            };
            growing(1).await;
            assert!(!is_empty());
            assert_eq!(growing(1).refresh().await.unwrap().len(), 200_000);
            assert!(is_empty(), "after a load, {policy:?}");
            LENGTH.take();
            growing(1).await;
            growing(1).put("x".repeat(200_000)).await.unwrap();
            assert!(is_empty(), "after a put, {policy:?}");
            LENGTH.take();
        });
    }
}

#[test]
fn what_left_memory_holds_none() {
    const LIMIT: u64 = 1 << 20;
    #[derive(Clone)]
    struct Block(#[expect(dead_code, reason = "what matters is its size")] [u8; 16_000]);
    #[cached(ttl = 1h, tiers = memory)]
    async fn block(id: u64) -> Block {
        Block([1; 16_000])
    }
    for policy in POLICIES {
        let builder = Cache::builder().memory_limit(LIMIT).eviction(policy);
        let counted = measure(|| {
            in_cache(builder, |cache| async move {
                for id in 0..2_000 {
                    Box::pin(block(id)).await;
                }
                assert!(cache.stats().entries > 20);
            });
        });
        assert!(counted.bytes_max < 4 * LIMIT, "{policy:?}: {counted:?}");
    }
}

#[test]
fn loads_with_any_number_of_slots_leave_nothing_behind() {
    #[cached(ttl = 1h, inline, max_concurrent_loads = 4_000_000_000)]
    async fn item(id: u64) -> u64 {
        id
    }
    in_cache(Cache::builder().memory_limit(100_000), |_| async {
        let load = |ids| {
            for id in ids {
                hit(item(id));
            }
        };
        load(0..5_000);
        let counted = measure(|| load(5_000..15_000));
        assert!(counted.bytes_current < 10_000, "{counted:?}");
    });
}

#[test]
fn the_last_of_many_misses_in_a_load_costs_what_the_first_does() {
    #[cached(ttl = 1h, inline)]
    async fn part(id: u64) -> u64 {
        id
    }
    #[cached(ttl = 1h, inline)]
    async fn whole(parts: u64) -> u64 {
        let mut sum = 0;
        for id in 0..parts {
            sum += part(id).await;
        }
        sum
    }
    // Other work on the machine can only add to the time: the least of several tries is its own.
    let least = |parts| {
        let tries = (0..3).map(|_| {
            let begin = Instant::now();
            in_cache(Cache::builder(), |_| async {
                whole(parts).await;
            });
            begin.elapsed()
        });
        tries.min().unwrap()
    };
    let (few, many) = (least(1_000), least(20_000));
    assert!(
        many < few * 60,
        "{few:?}, and {many:?} for twenty times as many"
    );
}

#[test]
fn a_closed_cache_keeps_nothing() {
    #[cached(ttl = 1h, inline)]
    async fn item(id: u64) -> u64 {
        id
    }
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        let cache = block_on(Cache::builder().build()).unwrap();
        let (has_begun, is_closed) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|threads| {
            threads.spawn(|| {
                for id in 0.. {
                    hit(Cache::scope(cache.clone(), item(id)));
                    has_begun.store(true, Ordering::Relaxed);
                    if is_closed.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            while !has_begun.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            let _ = block_on(cache.close(Duration::ZERO));
            is_closed.store(true, Ordering::Relaxed);
        });
        assert_eq!(cache.stats().entries, 0);
    }
}

#[test]
fn a_handle_around_a_scope_reaches_the_call_in_it() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn counted(id: u64) -> usize {
        RUNS.add()
    }
    on_both_runtimes(|_| async {
        let cache = Cache::builder().build().await.unwrap();
        let call = || Cache::scope(cache.clone(), counted(1));
        assert_eq!(call().peek().await, None);
        assert_eq!(call().evict().await, Ok(()));
        sleep(Duration::from_millis(2)).await;
        assert_eq!(RUNS.peek(), 0, "neither loads");
        assert_eq!(call().refresh().await, Ok(0));
        assert_eq!(call().peek().await, Some(0));
        assert_eq!(counted(1).peek().await, None, "not in the scope around it");
        RUNS.take();
    });
}

#[test]
fn a_scope_ends_with_a_panic_in_it_and_goes_along_to_another_thread() {
    #[cached(ttl = 1h, inline)]
    async fn picky(id: u64) -> u64 {
        tokio::task::yield_now().await;
        assert!(id != 0, "no such number");
        id
    }
    on_both_runtimes(|outer| async move {
        let inner = Cache::builder().build().await.unwrap();
        let loads = |cache: &Cache| cache.stats().function("picky").map_or(0, |row| row.loads);
        let panicking = Cache::scope(inner.clone(), picky(0).refresh());
        assert!(AssertUnwindSafe(panicking).catch_unwind().await.is_err());
        picky(1).await;
        assert_eq!((loads(&outer), loads(&inner)), (1, 1));

        let sum = async { picky(2).await + picky(3).await };
        let mut moving = Box::pin(Cache::scope(inner.clone(), sum));
        assert!(futures::poll!(&mut moving).is_pending());
        let moved = thread::spawn(move || block_on(moving));
        until("it ended there", || moved.is_finished()).await;
        assert_eq!(moved.join().unwrap(), 5);
        assert_eq!((loads(&outer), loads(&inner)), (1, 3));
    });
}

#[test]
fn a_hit_in_a_named_cache_through_a_trait_or_past_closures_allocates_nothing() {
    struct Shop(Cache);
    impl Shop {
        #[cached(ttl = 1h, skip(self), cache = self.0)]
        async fn in_its_cache(&self, id: u64) -> u64 {
            id
        }
    }
    trait Find {
        async fn find(&self, id: u64) -> u64;
    }
    impl Find for Shop {
        #[cached(ttl = 1h, skip(self))]
        async fn find(&self, id: u64) -> u64 {
            id
        }
    }
    #[cached(
        ttl = |value| Duration::from_secs(*value + 10),
        keep_if = |value| *value < 100,
        weight = |value| usize::from(*value > 0)
    )]
    async fn by_closures(id: u64) -> Result<u64, String> {
        Ok(id)
    }
    for policy in POLICIES {
        in_cache(Cache::builder().eviction(policy), |cache| async move {
            let shop = Shop(cache);
            let calls = || async {
                assert_eq!(shop.in_its_cache(1).await, 1);
                assert_eq!(shop.find(1).await, 1);
                assert_eq!(by_closures(1).await, Ok(1));
            };
            // Often enough for all to be at hand.
            for _ in 0..500 {
                calls().await;
            }
            let counted = measure(|| hit(calls()));
            assert_eq!(counted.count_total, 0, "{policy:?}");
        });
    }
}

//! Old values: who is served them, who is not, and which loads they cause.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use cache_core::{
    Cache, CachedCall, Event, Explained, NotCached, Policy, Source, Stale, TimedOut, Warmed,
    cached, event,
    testing::{FakeRedis, ManualClock},
};
use tests::SOON;

const SECOND: Duration = Duration::from_secs(1);

/// Runs a test in a cache of its own, with time that stands still.
fn timed<F: Future<Output = ()>>(test: impl FnOnce(ManualClock, Cache) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
        Cache::scope(cache.clone(), test(clock, cache)).await;
    });
}

/// Waits until something is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waited = tokio::time::timeout(SOON, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

/// A origin of numbers that counts its loads, and fails, waits or hangs when it is told to.
#[derive(Clone, Debug, Default)]
struct Origin(Arc<State>);

#[derive(Debug, Default)]
struct State {
    begun: AtomicU64,
    ended: AtomicU64,
    fails: AtomicBool,
    is_closed: AtomicBool,
    opened: tokio::sync::Notify,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    Temporary,
    Final,
    Late(TimedOut),
}

impl From<TimedOut> for Failure {
    fn from(late: TimedOut) -> Self {
        Self::Late(late)
    }
}

impl Failure {
    fn is_temporary(&self) -> bool {
        *self == Self::Temporary
    }
}

impl Origin {
    /// How many loads have begun; the value is their number.
    async fn load(&self) -> Result<u64, Failure> {
        let number = self.0.begun.fetch_add(1, Relaxed) + 1;
        loop {
            let opened = self.0.opened.notified();
            if !self.0.is_closed.load(Relaxed) {
                break;
            }
            opened.await;
        }
        self.0.ended.fetch_add(1, Relaxed);
        if self.0.fails.load(Relaxed) {
            Err(Failure::Temporary)
        } else {
            Ok(number)
        }
    }

    fn begun(&self) -> u64 {
        self.0.begun.load(Relaxed)
    }

    fn fail(&self, fails: bool) {
        self.0.fails.store(fails, Relaxed);
    }

    /// Loads wait until it is opened again.
    fn close(&self) {
        self.0.is_closed.store(true, Relaxed);
    }

    fn open(&self) {
        self.0.is_closed.store(false, Relaxed);
        self.0.opened.notify_waiters();
    }

    async fn until_begun(&self, loads: u64) {
        until("a load begins", || self.begun() >= loads).await;
    }

    async fn until_ended(&self, loads: u64) {
        until("a load ends", || self.0.ended.load(Relaxed) >= loads).await;
        // What it gave is kept behind the end of the body.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cached(ttl = 100s, skip(origin), strategy = refresh_ahead(0.8))]
async fn ahead(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await
}

#[test]
fn refresh_ahead_serves_what_is_fresh_and_loads_its_successor_in_the_background() {
    timed(|clock, cache| async move {
        let origin = Origin::default();
        assert_eq!(ahead(&origin, 1).await, Ok(1));
        clock.advance(79 * SECOND);
        assert_eq!(ahead(&origin, 1).await, Ok(1));
        assert_eq!(origin.begun(), 1, "it is not due");
        clock.advance(4 * SECOND);
        origin.close();
        for _ in 0..100 {
            assert_eq!(ahead(&origin, 1).await, Ok(1), "nobody waits");
        }
        origin.until_begun(2).await;
        assert_eq!(origin.begun(), 2, "one load for all");
        origin.open();
        origin.until_ended(2).await;
        assert_eq!(ahead(&origin, 1).await, Ok(2));
        clock.advance(79 * SECOND);
        assert_eq!(
            ahead(&origin, 1).await,
            Ok(2),
            "it lives from its own load on"
        );
        let stats = cache.stats();
        let row = stats.function("ahead").unwrap();
        assert_eq!((row.refreshes, row.stale, row.loads), (1, 0, 2));
    });
}

#[test]
fn a_value_that_nobody_reads_is_not_refreshed() {
    timed(|clock, _| async move {
        let origin = Origin::default();
        ahead(&origin, 1).await.unwrap();
        clock.advance(90 * SECOND);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(origin.begun(), 1);
        clock.advance(10 * SECOND);
        assert_eq!(ahead(&origin, 1).await, Ok(2), "past its time it is loaded");
    });
}

#[test]
fn a_refresh_that_fails_leaves_the_value_and_is_tried_again_ten_seconds_later() {
    timed(|clock, _| async move {
        let origin = Origin::default();
        ahead(&origin, 1).await.unwrap();
        clock.advance(85 * SECOND);
        origin.fail(true);
        assert_eq!(ahead(&origin, 1).await, Ok(1));
        origin.until_ended(2).await;
        clock.advance(9 * SECOND);
        assert_eq!(ahead(&origin, 1).await, Ok(1));
        assert_eq!(origin.begun(), 2, "not at once again");
        clock.advance(SECOND);
        assert_eq!(ahead(&origin, 1).await, Ok(1));
        origin.until_ended(3).await;
        clock.advance(5 * SECOND);
        assert_eq!(ahead(&origin, 1).await, Err(Failure::Temporary));
    });
}

#[test]
fn a_refresh_that_panics_is_nobodys_panic() {
    #[cached(ttl = 100s, strategy = refresh_ahead(0.5), skip(panics))]
    async fn panicking(panics: bool) -> u64 {
        assert!(!panics, "on purpose");
        7
    }
    timed(|clock, _| async move {
        assert_eq!(panicking(false).await, 7);
        clock.advance(60 * SECOND);
        assert_eq!(panicking(true).await, 7);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(panicking(true).await, 7);
    });
}

#[cached(ttl = 10s, skip(origin), strategy = stale_while_revalidate(60s))]
async fn revalidated(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await
}

#[test]
fn a_stale_value_is_served_while_its_successor_is_loaded_and_not_for_longer_than_said() {
    timed(|clock, cache| async move {
        let origin = Origin::default();
        assert_eq!(revalidated(&origin, 1).await, Ok(1));
        clock.advance(69 * SECOND);
        assert_eq!(
            revalidated(&origin, 1).peek().await,
            None,
            "it is not fresh"
        );
        origin.close();
        let explained = revalidated(&origin, 1).explain().await.unwrap();
        assert_eq!(explained.value, Ok(1));
        assert_eq!(
            (explained.source, explained.stale),
            (Source::Memory, Some(Stale::Revalidating))
        );
        origin.until_begun(2).await;
        for _ in 0..10 {
            assert_eq!(revalidated(&origin, 1).await, Ok(1));
        }
        origin.open();
        origin.until_ended(2).await;
        assert_eq!((revalidated(&origin, 1).await, origin.begun()), (Ok(2), 2));
        clock.advance(70 * SECOND);
        assert_eq!(revalidated(&origin, 1).await, Ok(3), "too old for anybody");
        let stats = cache.stats();
        assert_eq!(stats.function("revalidated").unwrap().stale, 11);
        assert!(stats.to_string().contains("refreshes"), "{stats}");
    });
}

#[cached(
    ttl = 10s,
    skip(origin),
    strategy = stale_if_error(1h, Failure::is_temporary)
)]
async fn forgiven(origin: &Origin, id: u64) -> Result<u64, Failure> {
    if id == 13 && origin.begun() > 0 {
        return Err(Failure::Final);
    }
    origin.load().await
}

#[test]
fn a_stale_value_stands_in_for_a_load_that_failed_and_the_next_waits_ten_seconds() {
    timed(|clock, cache| async move {
        let origin = Origin::default();
        assert_eq!(forgiven(&origin, 1).await, Ok(1));
        origin.fail(true);
        clock.advance(10 * SECOND);
        let explained = forgiven(&origin, 1).explain().await.unwrap();
        assert_eq!(
            (explained.value, explained.stale),
            (Ok(1), Some(Stale::Failed))
        );
        clock.advance(9 * SECOND);
        for _ in 0..10 {
            assert_eq!(forgiven(&origin, 1).await, Ok(1));
        }
        assert_eq!(origin.begun(), 2, "the origin has rest");
        clock.advance(SECOND);
        assert_eq!(forgiven(&origin, 1).await, Ok(1));
        assert_eq!(origin.begun(), 3);
        clock.advance(10 * SECOND);
        origin.fail(false);
        assert_eq!(forgiven(&origin, 1).await, Ok(4), "it is well again");
        origin.fail(true);
        clock.advance(3_610 * SECOND);
        assert_eq!(
            forgiven(&origin, 1).await,
            Err(Failure::Temporary),
            "too old"
        );
        let stats = cache.stats();
        assert_eq!(stats.function("forgiven").unwrap().stale, 12);
    });
}

#[test]
fn an_error_that_no_stale_value_may_stand_in_for_is_passed_on() {
    timed(|clock, _| async move {
        let origin = Origin::default();
        assert_eq!(forgiven(&origin, 13).await, Ok(1));
        clock.advance(10 * SECOND);
        assert_eq!(forgiven(&origin, 13).await, Err(Failure::Final));
        assert_eq!(forgiven(&origin, 13).await, Err(Failure::Final));
    });
}

#[test]
fn without_a_value_an_error_is_an_error() {
    timed(|_, _| async move {
        let origin = Origin::default();
        origin.fail(true);
        assert_eq!(forgiven(&origin, 1).await, Err(Failure::Temporary));
    });
}

#[test]
fn all_who_wait_for_a_load_that_fails_get_the_stale_value_and_none_loads_again() {
    #[derive(Debug)]
    struct Unshared;
    #[cached(ttl = 10s, skip(origin), strategy = stale_if_error(1h))]
    async fn unshared(origin: &Origin) -> Result<u64, Unshared> {
        origin.load().await.map_err(|_| Unshared)
    }
    timed(|clock, cache| async move {
        let origin = Origin::default();
        unshared(&origin).await.unwrap();
        clock.advance(10 * SECOND);
        origin.fail(true);
        origin.close();
        let call = async |origin: Origin| unshared(&origin).await.ok();
        let calls = (0..50).map(|_| tests::spawn_in(&cache, call(origin.clone())));
        let calls: Vec<_> = calls.collect();
        origin.until_begun(2).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        origin.open();
        for call in calls {
            assert_eq!(call.await.unwrap(), Some(1));
        }
        assert_eq!(origin.begun(), 2, "one load for all");
    });
}

#[test]
fn an_error_that_is_kept_does_not_take_the_place_of_the_value_that_stands_in_for_it() {
    #[cached(ttl = 10s, err_ttl = 60s, skip(origin), strategy = stale_if_error(1h))]
    async fn both(origin: &Origin) -> Result<u64, Failure> {
        origin.load().await
    }
    timed(|clock, _| async move {
        let origin = Origin::default();
        both(&origin).await.unwrap();
        clock.advance(10 * SECOND);
        origin.fail(true);
        assert_eq!(both(&origin).await, Ok(1));
        assert_eq!(both(&origin).await, Ok(1));
        clock.advance(20 * SECOND);
        assert_eq!(both(&origin).await, Ok(1));
    });
}

#[test]
fn how_long_an_error_is_kept_may_depend_on_it() {
    #[cached(
        ttl = 10s,
        err_ttl = |failure| if failure.is_temporary() { Duration::ZERO } else { 5 * SECOND },
    )]
    async fn failing(is_temporary: bool) -> Result<u64, Failure> {
        Err(if is_temporary {
            Failure::Temporary
        } else {
            Failure::Final
        })
    }
    timed(|clock, cache| async move {
        for _ in 0..3 {
            failing(true).await.unwrap_err();
            failing(false).await.unwrap_err();
        }
        assert_eq!(tests::loads(&cache), 4, "one is kept, the other is not");
        clock.advance(5 * SECOND);
        failing(false).await.unwrap_err();
        assert_eq!(tests::loads(&cache), 5);
    });
}

#[test]
fn a_refresh_by_hand_that_fails_says_so_and_leaves_the_old_value() {
    timed(|_, _| async move {
        let origin = Origin::default();
        forgiven(&origin, 1).await.unwrap();
        origin.fail(true);
        assert_eq!(
            forgiven(&origin, 1).refresh().await,
            Ok(Err(Failure::Temporary))
        );
        assert_eq!(forgiven(&origin, 1).await, Ok(1));
    });
}

#[cached(
    ttl = 10s,
    skip(origin),
    strategy = stale_if_error(1h),
    soft_timeout = 30ms,
    timeout = 300ms
)]
async fn limited(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await
}

#[test]
fn a_load_that_takes_long_goes_on_while_the_stale_value_is_served() {
    timed(|clock, cache| async move {
        let origin = Origin::default();
        limited(&origin, 1).await.unwrap();
        clock.advance(10 * SECOND);
        origin.close();
        let explained = limited(&origin, 1).explain().await.unwrap();
        assert_eq!(
            (explained.value, explained.stale),
            (Ok(1), Some(Stale::Late))
        );
        for _ in 0..100 {
            assert_eq!(
                limited(&origin, 1).await,
                Ok(1),
                "the others need not wait as long"
            );
        }
        origin.open();
        origin.until_ended(2).await;
        assert_eq!(limited(&origin, 1).await, Ok(2), "what it gave is kept");
        assert_eq!(origin.begun(), 2);
        assert_eq!(cache.stats().function("limited").unwrap().timeouts, 1);
    });
}

#[test]
fn a_load_that_takes_too_long_is_an_error_and_goes_on() {
    timed(|_, _| async move {
        let origin = Origin::default();
        origin.close();
        let begun = std::time::Instant::now();
        let Err(Failure::Late(late)) = limited(&origin, 1).await else {
            panic!("it is not over");
        };
        assert_eq!(late.after, Duration::from_millis(300));
        assert_eq!(late.to_string(), "the load took longer than 300ms");
        assert!(begun.elapsed() >= late.after);
        let waiting = limited(&origin, 1);
        origin.open();
        assert_eq!(waiting.await, Ok(1), "the same load");
        assert_eq!(origin.begun(), 1);
    });
}

#[test]
fn a_caller_that_is_dropped_leaves_a_limited_load_running() {
    timed(|_, _| async move {
        let origin = Origin::default();
        origin.close();
        let gone = tokio::time::timeout(Duration::from_millis(10), limited(&origin, 1));
        gone.await.unwrap_err();
        origin.open();
        origin.until_ended(1).await;
        assert_eq!((limited(&origin, 1).await, origin.begun()), (Ok(1), 1));
    });
}

#[test]
fn the_panic_of_a_limited_load_is_its_callers() {
    #[cached(ttl = 1m, timeout = 1s)]
    async fn panicking(n: u64) -> Result<u64, Failure> {
        panic!("at {n}")
    }
    timed(|_, cache| async move {
        let panicked = tests::spawn_in(&cache, panicking(3)).await.unwrap_err();
        let message = panicked.into_panic().downcast::<String>().unwrap();
        assert_eq!(*message, "at 3");
    });
}

/// A number is another one.
#[derive(Debug, Event)]
pub struct NumberChanged {
    /// Which.
    pub id: u64,
}

#[cached(
    ttl = 10s,
    skip(origin),
    invalidate_on = NumberChanged { id },
    strategy = [refresh_ahead(0.5), stale_while_revalidate(60s), stale_if_error(1h)]
)]
async fn guarded(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await
}

#[test]
fn what_an_event_made_void_is_served_to_nobody_however_little_time_has_passed() {
    timed(|clock, cache| async move {
        let origin = Origin::default();
        for age in [0, 6, 20] {
            guarded(&origin, 1).refresh().await.unwrap().unwrap();
            clock.advance(age * SECOND);
            cache.emit(NumberChanged { id: 1 }).await.unwrap();
            let begun = origin.begun();
            assert_eq!(guarded(&origin, 1).await, Ok(begun + 1), "{age}");
            cache.emit(NumberChanged { id: 1 }).await.unwrap();
            origin.fail(true);
            assert_eq!(guarded(&origin, 1).await, Err(Failure::Temporary), "{age}");
            origin.fail(false);
        }
    });
}

#[test]
fn a_background_load_that_an_event_overtook_is_not_kept() {
    timed(|clock, cache| async move {
        let origin = Origin::default();
        guarded(&origin, 1).await.unwrap();
        clock.advance(6 * SECOND);
        origin.close();
        assert_eq!(guarded(&origin, 1).await, Ok(1));
        origin.until_begun(2).await;
        cache.emit(NumberChanged { id: 1 }).await.unwrap();
        origin.open();
        origin.until_ended(2).await;
        assert_eq!(guarded(&origin, 1).await, Ok(3));
    });
}

#[cached(
    ttl = 1h,
    skip(origin),
    invalidate_on = NumberChanged { id },
    strategy = stale_if_invalidated(200ms)
)]
async fn lenient(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await
}

#[test]
fn what_an_event_made_void_is_served_for_as_long_as_the_function_says() {
    timed(|_, cache| async move {
        let origin = Origin::default();
        lenient(&origin, 1).await.unwrap();
        cache.emit(event!(NumberChanged { .. })).await.unwrap();
        origin.close();
        let explained: Explained<_> = lenient(&origin, 1).explain().await.unwrap();
        assert_eq!(explained.value, Ok(1));
        assert_eq!(explained.stale, Some(Stale::Invalidated));
        origin.until_begun(2).await;
        assert_eq!(lenient(&origin, 1).await, Ok(1));
        tokio::time::sleep(Duration::from_millis(210)).await;
        let waiting = lenient(&origin, 1);
        origin.open();
        assert_eq!(waiting.await, Ok(2));
    });
}

#[test]
fn what_events_made_void_twice_is_served_to_nobody() {
    timed(|_, cache| async move {
        let origin = Origin::default();
        lenient(&origin, 1).await.unwrap();
        cache.emit(NumberChanged { id: 1 }).await.unwrap();
        cache.emit(NumberChanged { id: 1 }).await.unwrap();
        assert_eq!(lenient(&origin, 1).await, Ok(2));
    });
}

#[test]
fn a_load_is_not_made_of_what_is_void() {
    #[cached(ttl = 1h, skip(origin), invalidate_on = NumberChanged { id })]
    async fn doubled(origin: &Origin, id: u64) -> Result<u64, Failure> {
        Ok(2 * lenient(origin, id).await?)
    }
    timed(|_, cache| async move {
        let origin = Origin::default();
        assert_eq!(doubled(&origin, 1).await, Ok(2));
        cache.emit(NumberChanged { id: 1 }).await.unwrap();
        assert_eq!(doubled(&origin, 1).await, Ok(4));
    });
}

#[test]
fn early_expiration_refreshes_about_as_many_as_the_paper_says() {
    #[cached(ttl = 100s, strategy = early_expiration, max_concurrent_loads = 1000)]
    async fn slow(id: u64) -> u64 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        id
    }
    timed(|clock, cache| async move {
        let all = || futures::future::join_all((0..1_000).map(slow));
        all().await;
        clock.advance(50 * SECOND);
        all().await;
        assert_eq!(
            cache.stats().function("slow").unwrap().refreshes,
            0,
            "far too early"
        );
        // Each with the probability e^-1, of which 64 at once are begun.
        clock.advance(49 * SECOND);
        let refreshes = || cache.stats().function("slow").unwrap().refreshes;
        let mut asked = 0;
        while refreshes() < 64 {
            slow(asked).await;
            asked += 1;
        }
        assert!((100..300).contains(&asked), "{asked}");
    });
}

#[test]
fn no_more_loads_run_in_the_background_than_the_cache_allows() {
    timed(|_, _| async {
        let clock = ManualClock::new();
        let builder = Cache::builder().clock(clock.clock()).background_limit(3);
        let cache = builder.build().await.unwrap();
        let origin = Origin::default();
        Cache::scope(cache.clone(), async {
            for id in 0..10 {
                ahead(&origin, id).await.unwrap();
            }
            clock.advance(90 * SECOND);
            origin.close();
            for id in 0..10 {
                ahead(&origin, id).await.unwrap();
            }
            origin.until_begun(13).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(origin.begun(), 13);
            origin.open();
            origin.until_ended(13).await;
            // Those that were put off are looked at again.
            clock.advance(SECOND);
            for id in 0..10 {
                ahead(&origin, id).await.unwrap();
            }
            origin.until_begun(16).await;
        })
        .await;
    });
}

#[test]
fn methods_and_traits_have_strategies_too() {
    #[derive(Clone, Default)]
    struct Numbers {
        origin: Origin,
    }
    impl Numbers {
        #[cached(ttl = 10s, key = id, strategy = stale_while_revalidate(60s))]
        async fn number(&self, id: u64) -> Result<u64, Failure> {
            self.origin.load().await
        }
    }
    timed(|clock, _| async move {
        let numbers = Numbers::default();
        assert_eq!(numbers.number(1).await, Ok(1));
        clock.advance(20 * SECOND);
        assert_eq!(numbers.number(1).await, Ok(1));
        numbers.origin.until_ended(2).await;
        assert_eq!(numbers.number(1).await, Ok(2));
    });
}

/// Two processes on one Redis, on one clock.
async fn two_processes(clock: &ManualClock) -> (FakeRedis, [Cache; 2]) {
    let redis = FakeRedis::on(clock);
    let mut caches = Vec::new();
    for _ in 0..2 {
        let builder = Cache::builder().clock(clock.clock()).fake_redis(&redis);
        caches.push(builder.build().await.unwrap());
    }
    (redis, caches.try_into().unwrap())
}

#[test]
fn a_stale_value_that_another_process_loaded_is_served_and_refreshed() {
    timed(|clock, _| async move {
        let (redis, [a, b]) = two_processes(&clock).await;
        let origin = Origin::default();
        Cache::scope(a.clone(), revalidated(&origin, 1))
            .await
            .unwrap();
        redis.until(|redis| redis.writes() > 0).await;
        clock.advance(20 * SECOND);
        origin.close();
        let explained = Cache::scope(b.clone(), revalidated(&origin, 1).explain());
        let explained = explained.await.unwrap();
        assert_eq!((explained.value, explained.source), (Ok(1), Source::Redis));
        assert_eq!(explained.stale, Some(Stale::Revalidating));
        origin.until_begun(2).await;
        origin.open();
        origin.until_ended(2).await;
        assert_eq!(Cache::scope(b, revalidated(&origin, 1)).await, Ok(2));
        assert_eq!(origin.begun(), 2);
    });
}

#[test]
fn a_stale_value_that_another_process_loaded_stands_in_for_a_load_that_failed() {
    timed(|clock, _| async move {
        let (redis, [a, b]) = two_processes(&clock).await;
        let origin = Origin::default();
        Cache::scope(a.clone(), forgiven(&origin, 1)).await.unwrap();
        redis.until(|redis| redis.writes() > 0).await;
        clock.advance(20 * SECOND);
        origin.fail(true);
        for _ in 0..5 {
            assert_eq!(Cache::scope(b.clone(), forgiven(&origin, 1)).await, Ok(1));
        }
        assert_eq!(origin.begun(), 2);
        clock.advance(3_600 * SECOND);
        let old = Cache::scope(b, forgiven(&origin, 1)).await;
        assert_eq!(old, Err(Failure::Temporary));
    });
}

#[test]
fn a_refresh_takes_over_what_another_process_has_loaded_since() {
    timed(|clock, _| async move {
        let (redis, [a, b]) = two_processes(&clock).await;
        let origin = Origin::default();
        for cache in [&a, &b] {
            Cache::scope(cache.clone(), ahead(&origin, 1))
                .await
                .unwrap();
            redis.until(|redis| redis.writes() > 0).await;
        }
        assert_eq!(origin.begun(), 1, "the second has found it");
        clock.advance(90 * SECOND);
        Cache::scope(a.clone(), ahead(&origin, 1)).await.unwrap();
        origin.until_ended(2).await;
        redis.until(|redis| redis.writes() > 1).await;
        let read = || Cache::scope(b.clone(), ahead(&origin, 1));
        assert_eq!(read().await, Ok(1), "it is fresh");
        until("the other's is taken over", || {
            b.stats().function("ahead").unwrap().redis_hits > 1
        })
        .await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!((read().await, origin.begun()), (Ok(2), 2));
    });
}

#[tokio::test]
async fn lifetimes_differ_from_key_to_key_by_a_tenth_and_not_from_process_to_process() {
    #[cached(ttl = 1000s)]
    async fn number(id: u64) -> u64 {
        id
    }
    let redis = FakeRedis::new();
    let mut seen = Vec::new();
    for round in 0..2 {
        let cache = Cache::builder().fake_redis(&redis).build().await.unwrap();
        let lives: Result<Vec<_>, NotCached> = Cache::scope(cache, async {
            let mut lives = Vec::new();
            for id in 0..100 {
                let explained = number(id).explain().await?;
                lives.push((explained.time_left.unwrap() + explained.age).as_secs());
            }
            Ok(lives)
        })
        .await;
        let lives = lives.unwrap();
        assert!(
            lives.iter().all(|life| (899..=1_000).contains(life)),
            "{lives:?}"
        );
        let (least, most) = (lives.iter().min().unwrap(), lives.iter().max().unwrap());
        assert!(most - least > 50, "{round}: {lives:?}");
        seen.push(lives);
    }
    let pairs = seen[0].iter().zip(&seen[1]);
    for (one, other) in pairs {
        assert!(one.abs_diff(*other) <= 1, "{one} {other}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_background_load_that_hangs_gives_its_slot_back_and_what_it_gives_is_kept_nowhere() {
    #[cached(ttl = 1h, skip(origin), strategy = refresh_ahead(0.5), max_concurrent_loads = 1)]
    async fn hanging(origin: &Origin) -> Result<u64, Failure> {
        origin.load().await
    }
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
    let origin = Origin::default();
    Cache::scope(cache, async {
        hanging(&origin).await.unwrap();
        clock.advance(2_000 * SECOND);
        origin.close();
        assert_eq!(hanging(&origin).await, Ok(1));
        tokio::time::sleep(59 * SECOND).await;
        clock.advance(59 * SECOND);
        assert_eq!((hanging(&origin).await, origin.begun()), (Ok(1), 2));
        tokio::time::sleep(2 * SECOND).await;
        clock.advance(2 * SECOND);
        assert_eq!(hanging(&origin).await, Ok(1));
        tokio::time::sleep(SECOND).await;
        assert_eq!(origin.begun(), 3, "the slot is free");
        origin.open();
        tokio::time::sleep(SECOND).await;
        assert_eq!(hanging(&origin).await, Ok(3));
    })
    .await;
}

#[cached(ttl = 10s, skip(origin), fleet)]
async fn fleeting(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await
}

/// Processes on one Redis.
async fn processes(redis: &FakeRedis, number: usize) -> Vec<Cache> {
    let processes = (0..number).map(|_| tests::process(redis));
    futures::future::join_all(processes).await
}

/// Has all of them call at once.
async fn call_all(caches: &[Cache], origin: &Origin, id: u64) -> Vec<Result<u64, Failure>> {
    let calls = caches
        .iter()
        .map(|cache| Cache::scope(cache.clone(), fleeting(origin, id)));
    futures::future::join_all(calls).await
}

#[tokio::test]
async fn of_a_fleet_one_process_loads_and_the_others_take_what_it_has_loaded() {
    let redis = FakeRedis::new();
    let caches = processes(&redis, 16).await;
    let origin = Origin::default();
    origin.close();
    let opening = async {
        origin.until_begun(1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        origin.open();
    };
    let (answers, ()) = futures::join!(call_all(&caches, &origin, 1), opening);
    assert!(answers.iter().all(|answer| *answer == Ok(1)), "{answers:?}");
    assert_eq!(origin.begun(), 1);
}

#[tokio::test]
async fn of_a_fleet_the_next_process_loads_where_one_has_failed() {
    let redis = FakeRedis::new();
    let caches = processes(&redis, 3).await;
    let origin = Origin::default();
    origin.fail(true);
    let answers = call_all(&caches, &origin, 1).await;
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(origin.begun(), 3);
    assert!(redis.keys().is_empty(), "{redis:?}");
}

#[tokio::test]
async fn of_a_fleet_nobody_waits_for_long_for_one_that_is_gone() {
    #[cached(ttl = 10s, skip(origin), fleet, timeout = 300ms)]
    async fn limited(origin: &Origin) -> Result<u64, Failure> {
        origin.load().await
    }
    let redis = FakeRedis::new();
    let caches = processes(&redis, 2).await;
    let origin = Origin::default();
    origin.close();
    let gone = Cache::scope(caches[0].clone(), limited(&origin));
    gone.await.unwrap_err();
    origin.open();
    let answer = Cache::scope(caches[1].clone(), limited(&origin)).await;
    assert!(answer.is_ok(), "{answer:?}");
}

#[cached(ttl = 10s, skip(origin), prefetch = page(origin, number + 1))]
async fn page(origin: &Origin, number: u64) -> Result<u64, Failure> {
    origin.load().await.map(|_| number)
}

#[test]
fn a_call_begins_the_next_one_in_the_background_and_that_begins_none() {
    timed(|_, cache| async move {
        let origin = Origin::default();
        assert_eq!(page(&origin, 1).await, Ok(1));
        origin.until_ended(2).await;
        assert_eq!(page(&origin, 2).peek().await, Some(Ok(2)));
        assert_eq!(
            page(&origin, 3).peek().await,
            None,
            "that was only prefetched"
        );
        for _ in 0..10 {
            assert_eq!(page(&origin, 1).await, Ok(1));
        }
        assert_eq!(origin.begun(), 2);
        assert_eq!(page(&origin, 2).await, Ok(2));
        origin.until_ended(3).await;
        assert_eq!(page(&origin, 3).peek().await, Some(Ok(3)));
        assert_eq!(cache.stats().entries, 3);
    });
}

#[test]
fn warming_loads_what_is_not_there_some_at_once_and_says_how_it_went() {
    static AT_ONCE: AtomicU64 = AtomicU64::new(0);
    static MOST: AtomicU64 = AtomicU64::new(0);
    #[cached(ttl = 10s)]
    async fn slow(id: u64) -> Result<u64, String> {
        MOST.fetch_max(AT_ONCE.fetch_add(1, Relaxed) + 1, Relaxed);
        tokio::time::sleep(Duration::from_millis(5)).await;
        AT_ONCE.fetch_sub(1, Relaxed);
        if id == 7 { Err("no".into()) } else { Ok(id) }
    }
    timed(|_, cache| async move {
        for id in [1, 2] {
            slow(id).await.unwrap();
        }
        let told = Arc::new(AtomicU64::new(0));
        let tell = Arc::clone(&told);
        let warming = cache.warm((0..20).map(slow)).at_once(4);
        let warmed = warming
            .on_progress(move |so_far| {
                assert_eq!(so_far.done() as u64, tell.fetch_add(1, Relaxed) + 1);
            })
            .run()
            .await;
        assert_eq!((warmed.total, warmed.done()), (Some(20), 20));
        assert_eq!((warmed.loaded, warmed.in_memory, warmed.failed), (17, 2, 1));
        assert_eq!((told.load(Relaxed), MOST.load(Relaxed)), (20, 4));
        assert_eq!(
            warmed.to_string(),
            "20 of 20 calls: 17 loaded, 2 in memory, 0 in Redis, 1 failed, 0 not cached"
        );
        let nothing = cache.warm(Vec::<std::future::Ready<()>>::new()).run().await;
        assert_eq!(nothing.done(), 0);
        let uncached: Warmed = cache.warm([std::future::ready(1)]).run().await;
        assert_eq!(uncached.uncached, 1);
    });
}

/// Runs a test in a cache with these policies, with time that stands still.
fn configured<F: Future<Output = ()>>(policies: &str, test: impl FnOnce(ManualClock, Cache) -> F) {
    let policies: std::collections::HashMap<String, Policy> =
        serde_json::from_str(policies).unwrap();
    timed(|clock, _| async move {
        let builder = Cache::builder().clock(clock.clock()).policies(policies);
        let cache = builder.build().await.unwrap();
        Cache::scope(cache.clone(), test(clock, cache)).await;
    });
}

#[test]
fn a_configuration_says_how_long_values_are_kept_and_which_are_not_cached() {
    #[cached(ttl = |value| Duration::from_secs(*value), none_ttl = 1s, err_ttl = 1s)]
    async fn one(n: u64) -> Result<Option<u64>, String> {
        match n {
            0 => Ok(None),
            1 => Err("no".into()),
            n => Ok(Some(n)),
        }
    }
    #[cached(ttl = 1h)]
    async fn two(n: u64) -> u64 {
        n
    }
    let policies = r#"{
        "one": { "ttl": "100s", "none_ttl": "20s", "err_ttl": "30s" },
        "a_configuration_says_how_long_values_are_kept_and_which_are_not_cached::two": { "off": true }
    }"#;
    configured(policies, |clock, cache| async move {
        for (n, life) in [(0, 20), (1, 30), (5, 100)] {
            let value = one(n).await;
            clock.advance((life - 1) * SECOND);
            assert_eq!(one(n).peek().await, Some(value));
            clock.advance(SECOND);
            assert_eq!(one(n).peek().await, None);
        }
        two(1).put(2).await.unwrap();
        assert_eq!((two(1).await, two(1).await), (1, 1));
        let explained = two(1).explain().await.unwrap();
        assert_eq!(explained.source, Source::Uncached);
        assert_eq!(cache.stats().function("two").unwrap().loads, 3);
    });
}

#[test]
fn a_configuration_gives_a_function_another_strategy() {
    #[cached(ttl = 10s, skip(origin))]
    async fn plain(origin: &Origin) -> Result<u64, Failure> {
        origin.load().await
    }
    #[cached(ttl = 10s, key = (), inline)]
    async fn inline(origin: &Origin) -> Result<u64, Failure> {
        origin.load().await
    }
    let policies = r#"{
        "plain": { "stale_while_revalidate": "1m", "stale_if_error": "1h" },
        "inline": { "stale_while_revalidate": "1m", "stale_if_error": "1h" }
    }"#;
    configured(policies, |clock, _| async move {
        let origin = Origin::default();
        plain(&origin).await.unwrap();
        clock.advance(20 * SECOND);
        assert_eq!(plain(&origin).await, Ok(1));
        origin.until_ended(2).await;
        assert_eq!(plain(&origin).await, Ok(2));
        clock.advance(80 * SECOND);
        origin.fail(true);
        assert_eq!(plain(&origin).await, Ok(2));

        let origin = Origin::default();
        inline(&origin).await.unwrap();
        clock.advance(20 * SECOND);
        assert_eq!(
            inline(&origin).await,
            Ok(2),
            "nobody could load it in the background"
        );
        clock.advance(20 * SECOND);
        origin.fail(true);
        assert_eq!(inline(&origin).await, Ok(2));
    });
}

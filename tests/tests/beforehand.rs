//! Values that are loaded before somebody asks, and what a configuration says of functions.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use cache_core::{Cache, CachedCall, Policy, Source, Warmed, cached, testing::ManualClock};
use tests::origin::{Failure, Origin, timed};

const SECOND: Duration = Duration::from_secs(1);

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

#[cached(ttl = 1h, detached)]
async fn report(day: u64) -> u64 {
    rows(day).await
}

#[cached(ttl = 1h, prefetch = report(day + 1))]
async fn rows(day: u64) -> u64 {
    day
}

#[test]
fn what_is_called_within_a_load_that_nobody_asked_for_begins_no_other() {
    timed(|_, cache| async move {
        assert_eq!(rows(1).await, 1);
        tests::until("it is begun", || cache.stats().entries >= 3).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(rows(2).peek().await, Some(2));
        assert_eq!((report(3).peek().await, cache.stats().entries), (None, 3));
    });
}

#[cached(ttl = 1h)]
async fn heading(days: &[&u64]) -> u64 {
    *days[0]
}

#[cached(ttl = 1h, prefetch = outline(day + 1))]
async fn outline(day: u64) -> u64 {
    heading(&[&day]).prefetch().await.unwrap();
    day
}

#[test]
fn a_prefetch_by_hand_within_a_load_that_nobody_asked_for_has_loaded_when_it_returns() {
    timed(|_, _| async move {
        assert_eq!(outline(1).await, 1);
        let is_there = async || outline(2).peek().await.is_some();
        while !is_there().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(heading(&[&2]).peek().await, Some(2));
    });
}

#[derive(Clone)]
struct Pages {
    origin: Origin,
}

impl Pages {
    #[cached(ttl = 10s, skip(self), prefetch = self.page(number + 1))]
    async fn page(&self, number: u64) -> Result<u64, Failure> {
        self.origin.load().await.map(|_| number)
    }
}

#[test]
fn a_method_begins_its_own_next_call_as_its_loads_are_detached_for_that() {
    timed(|_, _| async move {
        let pages = Pages {
            origin: Origin::default(),
        };
        assert_eq!(pages.page(1).await, Ok(1));
        pages.origin.until_ended(2).await;
        assert_eq!(pages.page(2).peek().await, Some(Ok(2)));
    });
}

#[test]
fn what_was_prefetched_in_vain_is_not_begun_again_by_each_call() {
    #[cached(ttl = 1h, skip(origin, bad), prefetch = begun(bad, number))]
    async fn reader(origin: &Origin, bad: &Origin, number: u64) -> Result<u64, Failure> {
        origin.load().await
    }
    timed(|clock, _| async move {
        let (origin, bad) = (Origin::default(), Origin::default());
        bad.fail(true);
        reader(&origin, &bad, 1).await.unwrap();
        bad.until_ended(1).await;
        for _ in 0..10 {
            reader(&origin, &bad, 1).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!((origin.begun(), bad.begun()), (1, 1));
        clock.advance(10 * SECOND);
        bad.fail(false);
        reader(&origin, &bad, 1).await.unwrap();
        bad.until_ended(2).await;
        assert_eq!(begun(&bad, 1).peek().await, Some(Ok(2)));
    });
}

#[cached(ttl = 10s, skip(origin))]
async fn begun(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await
}

#[cached(ttl = 10s, skip(origin), timeout = 20ms)]
async fn limited(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await
}

#[cached(ttl = 10s, skip(origin), timeout = 20ms, max_concurrent_loads = 1)]
async fn narrow(origin: &Origin, id: u64) -> Result<u64, Failure> {
    origin.load().await
}

/// Runs a test in a cache that has room for two loads in the background.
fn with_room_for_two<F: Future<Output = ()>>(test: impl FnOnce(Cache) -> F) {
    timed(|_, _| async move {
        let cache = Cache::builder().background_limit(2).build().await.unwrap();
        Cache::scope(cache.clone(), test(cache)).await;
    });
}

#[test]
fn prefetches_beyond_the_limit_of_loads_in_the_background_are_not_begun() {
    with_room_for_two(|cache| async move {
        let origin = Origin::default();
        origin.close();
        for id in 0..5 {
            begun(&origin, id).prefetch().await.unwrap();
        }
        origin.until_begun(2).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(origin.begun(), 2);
        assert_eq!(cache.stats().function("begun").unwrap().skipped, 3);
        origin.open();
        origin.until_ended(2).await;
        begun(&origin, 9).prefetch().await.unwrap();
        origin.until_ended(3).await;
    });
}

#[test]
fn loads_that_go_on_without_their_callers_leave_no_room_in_the_background() {
    with_room_for_two(|cache| async move {
        let origin = Origin::default();
        origin.close();
        for id in 0..3 {
            limited(&origin, id).await.unwrap_err();
        }
        origin.until_begun(3).await;
        begun(&origin, 1).prefetch().await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(origin.begun(), 3, "those that have begun are not stopped");
        assert_eq!(cache.stats().function("begun").unwrap().skipped, 1);
        origin.open();
        origin.until_ended(3).await;
        begun(&origin, 1).prefetch().await.unwrap();
        origin.until_ended(4).await;
    });
}

#[test]
fn what_waits_for_its_slot_without_a_caller_and_without_room_is_counted_as_skipped() {
    with_room_for_two(|cache| async move {
        let origin = Origin::default();
        origin.close();
        let call = |id| narrow(&origin, id);
        let (_, ()) = tokio::join!(call(0), origin.until_begun(1));
        let _ = tokio::join!(call(1), call(2), call(3));
        let skipped = || cache.stats().function("narrow").unwrap().skipped;
        tests::until("two are given up", || skipped() == 2).await;
        origin.open();
        origin.until_ended(2).await;
        assert_eq!((origin.begun(), skipped()), (2, 2));
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
            "20 of 20 calls: 17 loaded, 2 in memory, 0 in Redis, 0 stale, 1 failed, 0 not cached"
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
fn a_policy_whose_name_no_function_has_so_far_is_shown() {
    #[cached(ttl = 1h)]
    async fn known(n: u64) -> u64 {
        n
    }
    let policies = r#"{ "known": { "ttl": "10s" }, "knwon": { "ttl": "10s" } }"#;
    configured(policies, |_, cache| async move {
        let unused = || cache.stats().unused_policies;
        assert_eq!(unused(), ["known", "knwon"]);
        known(1).await;
        assert_eq!(unused(), ["knwon"]);
        let shown = cache.stats().to_string();
        assert!(
            shown.ends_with("policies of no function called so far: `knwon`"),
            "{shown}"
        );
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

#[test]
fn a_configuration_has_values_loaded_before_they_are_stale() {
    #[cached(ttl = 100s, skip(origin))]
    async fn ahead(origin: &Origin) -> Result<u64, Failure> {
        origin.load().await
    }
    #[cached(ttl = 100s, skip(origin))]
    async fn early(origin: &Origin) -> Result<u64, Failure> {
        tokio::time::sleep(Duration::from_millis(100)).await;
        origin.load().await
    }
    let policies = r#"{
        "ahead": { "refresh_ahead": 0.5 },
        "early": { "early_expiration": true }
    }"#;
    configured(policies, |clock, cache| async move {
        let origin = Origin::default();
        ahead(&origin).await.unwrap();
        clock.advance(49 * SECOND);
        ahead(&origin).await.unwrap();
        assert_eq!(origin.begun(), 1);
        clock.advance(50 * SECOND);
        assert_eq!(ahead(&origin).await, Ok(1));
        origin.until_begun(2).await;

        let origin = Origin::default();
        early(&origin).await.unwrap();
        clock.advance(Duration::from_millis(99_990));
        let refreshes = || cache.stats().function("early").unwrap().refreshes;
        // Each with the probability e^-0.1.
        for _ in 0..200 {
            assert_eq!(early(&origin).await, Ok(1));
        }
        assert_eq!(refreshes(), 1);
    });
}

#[test]
fn a_configuration_says_how_long_calls_wait() {
    #[cached(ttl = 10s, skip(origin), timeout = 1h)]
    async fn hard(origin: &Origin) -> Result<u64, Failure> {
        origin.load().await
    }
    #[cached(ttl = 10s, skip(origin), strategy = stale_if_error(1h))]
    async fn soft(origin: &Origin) -> Result<u64, Failure> {
        origin.load().await
    }
    let policies = r#"{ "hard": { "timeout": "20ms" }, "soft": { "soft_timeout": "20ms" } }"#;
    configured(policies, |clock, _| async move {
        let origin = Origin::default();
        soft(&origin).await.unwrap();
        clock.advance(20 * SECOND);
        origin.close();
        let both = async { (hard(&origin).await, soft(&origin).await) };
        let (hard, soft) = tokio::time::timeout(tests::SOON, both).await.unwrap();
        assert!(matches!(hard, Err(Failure::Late(_))), "{hard:?}");
        assert_eq!(soft, Ok(1));
    });
}

#[test]
fn a_configuration_says_how_many_loads_run_at_once() {
    static AT_ONCE: AtomicU64 = AtomicU64::new(0);
    static MOST: AtomicU64 = AtomicU64::new(0);
    #[cached(ttl = 10s)]
    async fn counted(id: u64) -> u64 {
        MOST.fetch_max(AT_ONCE.fetch_add(1, Relaxed) + 1, Relaxed);
        tokio::time::sleep(Duration::from_millis(5)).await;
        AT_ONCE.fetch_sub(1, Relaxed);
        id
    }
    let policies = r#"{ "counted": { "max_concurrent_loads": 2 } }"#;
    configured(policies, |_, _| async move {
        futures::future::join_all((0..10).map(counted)).await;
        assert_eq!(MOST.load(Relaxed), 2);
    });
}

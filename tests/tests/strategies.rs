//! Old values: who is served them, who is not, and which loads they cause.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use cache_core::{
    Cache, CachedCall, Event, Explained, Source, Stale, cached, event, testing::ManualClock,
};
use tests::origin::{Failure, Origin, timed};

const SECOND: Duration = Duration::from_secs(1);

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
        clock.advance(12 * SECOND);
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
fn a_refresh_that_fails_leaves_the_value_and_is_not_tried_again_at_once() {
    timed(|clock, _| async move {
        let origin = Origin::default();
        ahead(&origin, 1).await.unwrap();
        clock.advance(91 * SECOND);
        origin.fail(true);
        assert_eq!(ahead(&origin, 1).await, Ok(1));
        origin.until_ended(2).await;
        clock.advance(8 * SECOND);
        assert_eq!(ahead(&origin, 1).await, Ok(1));
        assert_eq!(origin.begun(), 2, "not at once again");
        clock.advance(SECOND);
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
        clock.advance(80 * SECOND);
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

#[test]
fn what_is_served_while_no_successor_is_tried_says_that_one_failed() {
    timed(|clock, _| async move {
        let origin = Origin::default();
        revalidated(&origin, 1).await.unwrap();
        clock.advance(20 * SECOND);
        origin.fail(true);
        let stale = async || revalidated(&origin, 1).explain().await.unwrap().stale;
        assert_eq!(stale().await, Some(Stale::Revalidating));
        origin.until_ended(2).await;
        assert_eq!(stale().await, Some(Stale::Failed));
        clock.advance(10 * SECOND);
        assert_eq!(stale().await, Some(Stale::Revalidating));
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
        for age in [0, 8, 20] {
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
        clock.advance(8 * SECOND);
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
fn what_many_events_made_void_is_served_to_nobody() {
    timed(|_, cache| async move {
        let origin = Origin::default();
        lenient(&origin, 1).await.unwrap();
        for _ in 0..3 {
            cache.emit(NumberChanged { id: 1 }).await.unwrap();
        }
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
            clock.advance(91 * SECOND);
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
        clock.advance(2_800 * SECOND);
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

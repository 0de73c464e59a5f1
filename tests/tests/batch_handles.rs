//! Handles of calls of many keys: what is asked of the call is asked of each key.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{collections::HashMap, time::Duration};

use cache_core::{Cache, CachedCall, NotCached, Source, cached, testing::FakeRedis};
use tests::{
    on_both_runtimes,
    origin::{Failure, Origin},
};

type Numbers = Result<HashMap<u64, u64>, Failure>;

/// The number of the load, for each key below 1,000.
#[cached(ttl = 1h, skip(origin), batch(id in ids))]
async fn numbers(origin: &Origin, ids: &[u64]) -> Numbers {
    let number = origin.load().await?;
    let ids = ids.iter().filter(|id| **id < 1_000);
    Ok(ids.map(|id| (*id, number)).collect())
}

fn sorted(numbers: Numbers) -> Vec<(u64, u64)> {
    let mut numbers: Vec<_> = numbers.unwrap().into_iter().collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn peek_gives_what_is_there_and_loads_nothing() {
    on_both_runtimes(|_| async {
        let origin = Origin::default();
        numbers(&origin, &[1, 2]).await.unwrap();
        let peeked = numbers(&origin, &[1, 2, 3]).peek().await.unwrap();
        assert_eq!(sorted(peeked), [(1, 1), (2, 1)]);
        let peeked = numbers(&origin, &[7]).peek().await.unwrap();
        assert!(sorted(peeked).is_empty());
        assert_eq!(origin.begun(), 1);
    });
}

#[test]
fn peek_reads_what_another_process_has() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let (a, b) = (tests::process(&redis).await, tests::process(&redis).await);
        let origin = Origin::default();
        Cache::scope(a.clone(), async {
            numbers(&origin, &[1, 2]).await.unwrap()
        })
        .await;
        redis.until(|redis| redis.writes() >= 2).await;
        let peeked = Cache::scope(b, numbers(&origin, &[1, 2, 3]).peek()).await;
        assert_eq!(sorted(peeked.unwrap()), [(1, 1), (2, 1)]);
        assert_eq!(origin.begun(), 1);
    });
}

#[test]
fn evict_removes_the_entry_of_each_key_and_of_no_other() {
    on_both_runtimes(|_| async {
        let origin = Origin::default();
        numbers(&origin, &[1, 2, 3]).await.unwrap();
        numbers(&origin, &[1, 2]).evict().await.unwrap();
        assert_eq!(
            sorted(numbers(&origin, &[1, 2, 3]).await),
            [(1, 2), (2, 2), (3, 1)]
        );
    });
}

#[test]
fn evict_removes_the_entries_in_redis() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let (a, b) = (tests::process(&redis).await, tests::process(&redis).await);
        let origin = Origin::default();
        Cache::scope(a.clone(), async {
            numbers(&origin, &[1, 2]).await.unwrap()
        })
        .await;
        redis.until(|redis| redis.keys().len() == 2).await;
        Cache::scope(a.clone(), numbers(&origin, &[1, 2]).evict())
            .await
            .unwrap();
        redis.until(|redis| redis.keys().is_empty()).await;
        let found = Cache::scope(b, numbers(&origin, &[1])).await;
        assert_eq!(sorted(found), [(1, 2)]);
    });
}

#[test]
fn refresh_replaces_all_in_one_load() {
    on_both_runtimes(|_| async {
        let origin = Origin::default();
        numbers(&origin, &[1, 2]).await.unwrap();
        let refreshed = numbers(&origin, &[1, 2, 3]).refresh().await.unwrap();
        assert_eq!(sorted(refreshed), [(1, 2), (2, 2), (3, 2)]);
        assert_eq!(
            sorted(numbers(&origin, &[1, 2, 3]).await),
            [(1, 2), (2, 2), (3, 2)]
        );
        assert_eq!(origin.begun(), 2);
    });
}

#[test]
fn a_refresh_that_fails_leaves_what_there_is() {
    on_both_runtimes(|_| async {
        let origin = Origin::default();
        numbers(&origin, &[1, 2]).await.unwrap();
        origin.fail(true);
        let refreshed = numbers(&origin, &[1, 2]).refresh().await.unwrap();
        assert_eq!(refreshed, Err(Failure::Temporary));
        assert_eq!(sorted(numbers(&origin, &[1, 2]).await), [(1, 1), (2, 1)]);
    });
}

#[test]
fn put_keeps_each_value_and_remembers_what_is_left_out() {
    on_both_runtimes(|_| async {
        let origin = Origin::default();
        let map = HashMap::from([(1, 10), (2, 20), (9, 90)]);
        numbers(&origin, &[1, 2, 3]).put(Ok(map)).await.unwrap();
        assert_eq!(
            sorted(numbers(&origin, &[1, 2, 3]).await),
            [(1, 10), (2, 20)]
        );
        assert_eq!(origin.begun(), 0);
        assert_eq!(
            sorted(numbers(&origin, &[9]).await),
            [(9, 1)],
            "it was not asked for"
        );
    });
}

#[test]
fn an_error_that_is_put_is_kept_for_nobody() {
    on_both_runtimes(|_| async {
        let origin = Origin::default();
        let put = numbers(&origin, &[1]).put(Err(Failure::Temporary));
        put.await.unwrap();
        assert_eq!(sorted(numbers(&origin, &[1]).await), [(1, 1)]);
    });
}

#[test]
fn bypass_runs_the_body_and_keeps_nothing() {
    on_both_runtimes(|_| async {
        let origin = Origin::default();
        numbers(&origin, &[1]).await.unwrap();
        let loaded = numbers(&origin, &[1, 2]).bypass().await.unwrap();
        assert_eq!(sorted(loaded), [(1, 2), (2, 2)]);
        assert_eq!(sorted(numbers(&origin, &[1]).await), [(1, 1)]);
    });
}

#[test]
fn prefetch_loads_what_is_missing_in_the_background() {
    on_both_runtimes(|_| async {
        let origin = Origin::default();
        numbers(&origin, &[1]).await.unwrap();
        origin.close();
        numbers(&origin, &[1, 2, 3]).prefetch().await.unwrap();
        origin.until_begun(2).await;
        origin.open();
        assert_eq!(
            sorted(numbers(&origin, &[1, 2, 3]).await),
            [(1, 1), (2, 2), (3, 2)]
        );
        assert_eq!(origin.begun(), 2);
    });
}

#[test]
fn a_call_of_one_key_can_be_explained_and_one_of_more_cannot() {
    on_both_runtimes(|_| async {
        let origin = Origin::default();
        let explained = numbers(&origin, &[1]).explain().await.unwrap();
        assert_eq!(explained.source, Source::Load);
        assert_eq!(sorted(explained.value), [(1, 1)]);
        let explained = numbers(&origin, &[1]).explain().await.unwrap();
        assert_eq!(explained.source, Source::Memory);
        let explained = numbers(&origin, &[1, 2]).explain().await;
        assert!(matches!(explained, Err(NotCached)));
    });
}

#[test]
fn a_handle_of_no_key_is_answered() {
    on_both_runtimes(|_| async {
        let origin = Origin::default();
        assert!(sorted(numbers(&origin, &[]).peek().await.unwrap()).is_empty());
        numbers(&origin, &[]).evict().await.unwrap();
        numbers(&origin, &[]).prefetch().await.unwrap();
        numbers(&origin, &[]).put(Ok(HashMap::new())).await.unwrap();
        assert!(sorted(numbers(&origin, &[]).refresh().await.unwrap()).is_empty());
        assert_eq!(origin.begun(), 0);
    });
}

#[test]
fn handles_of_a_cache_that_is_off_end() {
    on_both_runtimes(|_| async {
        let origin = Origin::default();
        Cache::scope(Cache::disabled(), async {
            numbers(&origin, &[1, 2]).evict().await.unwrap();
            numbers(&origin, &[1, 2])
                .put(Ok(HashMap::new()))
                .await
                .unwrap();
            numbers(&origin, &[1, 2]).prefetch().await.unwrap();
            assert!(sorted(numbers(&origin, &[1, 2]).peek().await.unwrap()).is_empty());
            assert_eq!(
                sorted(numbers(&origin, &[1, 2]).refresh().await.unwrap()).len(),
                2
            );
        })
        .await;
    });
}

#[test]
fn prefetch_goes_on_without_its_caller_where_redis_is_read_first() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let cache = tests::process(&redis).await;
        let origin = Origin::default();
        Cache::scope(cache, async {
            numbers(&origin, &[1, 2, 3]).prefetch().await.unwrap();
            let begun = std::time::Instant::now();
            while numbers(&origin, &[1, 2, 3])
                .peek()
                .await
                .unwrap()
                .unwrap()
                .len()
                < 3
            {
                assert!(begun.elapsed() < tests::SOON);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    });
}

//! What is kept, and for how long.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{future::Future, time::Duration};

use cache_core::{Cache, CachedCall, Eviction, Miss, Source, cached, testing::ManualClock};
use tests::Runs;

/// Runs a test in a cache of its own, with time that stands still.
fn timed<F: Future<Output = ()>>(test: impl FnOnce(ManualClock) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
        Cache::scope(cache, test(clock)).await;
    });
}

const SECOND: Duration = Duration::from_secs(1);

type Lookup = Result<Option<u64>, String>;

#[cached(ttl = 1m30s, none_ttl = 10s, err_ttl = 2s)]
async fn lookup(id: u64) -> Lookup {
    match id {
        0 => Ok(None),
        1 => Err("no such table".into()),
        _ => Ok(Some(id)),
    }
}

#[test]
fn values_absences_and_errors_have_lifetimes_of_their_own() {
    timed(|clock| async move {
        for (id, lifetime) in [(0, 10), (1, 2), (2, 90)] {
            let output = lookup(id).await;
            clock.advance(SECOND * (lifetime - 1) + Duration::from_nanos(999_999_999));
            assert_eq!(lookup(id).peek().await, Some(output));
            clock.advance(Duration::from_nanos(1));
            assert_eq!(lookup(id).peek().await, None);
        }
    });
}

#[test]
fn an_alias_of_result_is_a_result() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn failing(id: u64) -> Lookup {
        RUNS.add();
        Err("no".into())
    }
    timed(|_| async {
        assert!(failing(1).await.is_err());
        assert!(failing(1).await.is_err());
        assert_eq!(RUNS.take(), 2, "an error is not a value to keep");
    });
}

#[test]
fn none_is_kept_like_any_value_unless_it_has_a_lifetime() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn absent(id: u64) -> Option<u64> {
        RUNS.add();
        None
    }
    timed(|_| async {
        assert_eq!((absent(1).await, absent(1).await), (None, None));
        assert_eq!(RUNS.take(), 1);
    });
}

#[test]
fn an_expired_entry_is_loaded_again() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1s)]
    async fn counted() -> usize {
        RUNS.add()
    }
    timed(|clock| async move {
        assert_eq!((counted().await, counted().await), (0, 0));
        clock.advance(SECOND);
        let explained = counted().explain().await.unwrap();
        assert_eq!(
            (explained.value, explained.source, explained.miss),
            (1, Source::Load, Some(Miss::Expired))
        );
        RUNS.take();
    });
}

#[test]
fn keep_if_keeps_only_what_it_accepts() {
    #[cached(ttl = 1h, keep_if = |value| value % 2 == 0)]
    async fn even(id: u64) -> Result<Option<u64>, String> {
        Ok((id != 0).then_some(id))
    }
    timed(|_| async {
        for (id, kept) in [(0, true), (1, false), (2, true)] {
            even(id).await.unwrap();
            assert_eq!(even(id).peek().await.is_some(), kept, "{id}");
        }
    });
}

#[test]
fn a_ttl_can_be_read_from_the_value() {
    #[cached(ttl = |value| Duration::from_secs(*value))]
    async fn token(seconds: u64) -> Option<u64> {
        (seconds != 7).then_some(seconds)
    }
    timed(|clock| async move {
        for seconds in [0, 3, 7] {
            token(seconds).await;
        }
        assert_eq!(token(0).peek().await, None, "a lifetime of zero is none");
        assert_eq!(
            token(7).peek().await,
            None,
            "no value says how long `None` lives"
        );
        clock.advance(SECOND * 2);
        assert_eq!(token(3).peek().await, Some(Some(3)));
        clock.advance(SECOND);
        assert_eq!(token(3).peek().await, None);
    });
}

#[test]
fn a_ttl_can_be_an_expression() {
    const HOUR: Duration = Duration::from_hours(1);
    struct Config {
        ttl: Duration,
    }
    #[cached(ttl = HOUR * 2)]
    async fn constant(id: u64) -> u64 {
        id
    }
    #[cached(ttl = config.ttl, key = id)]
    async fn configured(config: &Config, id: u64) -> u64 {
        id
    }
    timed(|clock| async move {
        let config = Config { ttl: HOUR };
        constant(1).await;
        configured(&config, 1).await;
        clock.advance(HOUR);
        assert_eq!(
            (
                constant(1).peek().await,
                configured(&config, 1).peek().await
            ),
            (Some(1), None)
        );
    });
}

#[test]
fn a_value_that_is_not_kept_takes_the_older_one_with_it() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h, keep_if = |value| *value == 0)]
    async fn first_only() -> usize {
        RUNS.add()
    }
    timed(|_| async {
        first_only().await;
        assert_eq!(first_only().peek().await, Some(0));
        assert_eq!(first_only().refresh().await, Ok(1));
        assert_eq!(first_only().peek().await, None);
    });
}

#[test]
fn memory_is_bounded_by_bytes_at_all_times() {
    #[cached(ttl = 1h)]
    async fn block(id: u64) -> String {
        "x".repeat(usize::try_from(id % 4_000).unwrap())
    }
    for eviction in [Eviction::Adaptive, Eviction::Lru] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .build()
            .unwrap();
        runtime.block_on(async move {
            let cache = Cache::builder()
                .memory_limit(300_000)
                .eviction(eviction)
                .build()
                .await
                .unwrap();
            let writers: Vec<_> = (0..4_u64)
                .map(|writer| {
                    let cache = cache.clone();
                    tests::spawn_in(&cache.clone(), async move {
                        for id in 0..3_000 {
                            block(writer * 1_000_000 + id * 37).await;
                            assert!(cache.stats().bytes <= 300_000);
                        }
                    })
                })
                .collect();
            for writer in writers {
                writer.await.unwrap();
            }
            let stats = cache.stats();
            let row = stats.function("block").unwrap();
            assert!(stats.entries > 50 && row.evictions > 1_000, "{stats}");
            assert_eq!((row.entries, row.bytes), (stats.entries, stats.bytes));
            cache.clear();
            let stats = cache.stats();
            assert_eq!((stats.entries, stats.bytes), (0, 0));
            let row = stats.function("block").unwrap();
            assert_eq!((row.entries, row.bytes), (0, 0));
        });
    }
}

#[test]
fn a_value_too_heavy_for_memory_is_returned_and_counted() {
    #[cached(ttl = 1h)]
    async fn block(id: usize) -> String {
        "x".repeat(id)
    }
    timed(|_| async {
        for eviction in [Eviction::Adaptive, Eviction::Lru] {
            let cache = Cache::builder()
                .memory_limit(65_536)
                .eviction(eviction)
                .build()
                .await
                .unwrap();
            Cache::scope(cache.clone(), async {
                assert_eq!(block(100_000).await.len(), 100_000);
                assert_eq!(block(10).await.len(), 10);
            })
            .await;
            let stats = cache.stats();
            let row = stats.function("block").unwrap();
            assert_eq!(
                (row.rejected, row.evictions, row.entries),
                (1, 0, 1),
                "{eviction:?}"
            );
        }
    });
}

#[test]
fn lru_evicts_what_was_not_used_for_the_longest_time() {
    #[cached(ttl = 1h, weight = |_value| 20_000)]
    async fn item(id: u64) -> u64 {
        id
    }
    timed(|_| async {
        let cache = Cache::builder()
            .memory_limit(65_536)
            .eviction(Eviction::Lru)
            .build()
            .await
            .unwrap();
        Cache::scope(cache, async {
            for id in [1, 2, 3, 1, 4] {
                item(id).await;
            }
            let mut kept = Vec::new();
            for id in 1..=4 {
                kept.extend(item(id).peek().await);
            }
            assert_eq!(kept, [1, 3, 4]);
        })
        .await;
    });
}

#[test]
fn an_entry_weighs_what_its_function_says() {
    #[cached(ttl = 1h, weight = |value| value.len() * 10)]
    async fn text(id: usize) -> Option<String> {
        Some("x".repeat(id))
    }
    timed(|_| async {
        text(100).await;
        let without = Cache::current().stats().bytes;
        text(200).await;
        assert_eq!(Cache::current().stats().bytes, without * 2 + 1_000);
    });
}

#[test]
fn values_without_a_weight_are_bounded_by_number() {
    #[derive(Clone)]
    struct Opaque(#[expect(dead_code, reason = "what matters is its size")] [u64; 4]);

    #[cached(ttl = 1h, tiers = memory)]
    async fn opaque(id: u64) -> Opaque {
        Opaque([id; 4])
    }
    timed(|_| async {
        let cache = Cache::builder().unweighed_limit(100).build().await.unwrap();
        Cache::scope(cache.clone(), async {
            for round in 0..3 {
                for id in 0..150 {
                    opaque(id).refresh().await.unwrap();
                    assert!(cache.stats().entries <= 100, "round {round}");
                }
            }
            assert_eq!(cache.stats().entries, 100);
            assert!(opaque(0).peek().await.is_none(), "the oldest left");
            assert!(opaque(149).peek().await.is_some());
        })
        .await;
    });
}

#[test]
fn a_value_that_cannot_be_weighed_is_kept_all_the_same() {
    #[derive(Clone)]
    struct Panicking;
    impl serde::Serialize for Panicking {
        fn serialize<S: serde::Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
            panic!("not today")
        }
    }
    #[cached(ttl = 1h, tiers = memory)]
    async fn odd() -> Panicking {
        Panicking
    }
    timed(|_| async {
        odd().await;
        assert!(odd().peek().await.is_some());
    });
}

#[test]
fn a_function_for_the_shared_tier_alone_keeps_nothing_in_memory() {
    #[cached(ttl = 1h, tiers = redis)]
    async fn shared_only(id: u64) -> u64 {
        id
    }
    timed(|_| async {
        shared_only(1).await;
        let explained = shared_only(1).explain().await.unwrap();
        assert_eq!(
            (explained.source, explained.miss),
            (Source::Load, Some(Miss::NotInMemory))
        );
        assert_eq!(Cache::current().stats().entries, 0);
    });
}

#[tokio::test]
async fn a_lifetime_that_the_value_names_is_not_shortened() {
    #[cached(ttl = |value| Duration::from_secs(*value))]
    async fn named(seconds: u64) -> u64 {
        seconds
    }
    let cache = Cache::builder().build().await.unwrap();
    Cache::scope(cache, async {
        for seconds in 1_000..1_100 {
            named(seconds).await;
            let explained = named(seconds).explain().await.unwrap();
            let life = explained.time_left.unwrap() + explained.age;
            assert!(life > Duration::from_secs(seconds - 2), "{explained}");
        }
    })
    .await;
}

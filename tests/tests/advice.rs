//! Each piece of advice is given where its fault is, and not where it is not.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{thread, time::Duration};

use cache_core::{
    Cache, CacheBuilder, Event, Eviction, Policy, Symptom, cached,
    testing::{FakeRedis, ManualClock},
};
use tests::process;
use tokio::time::sleep;

#[derive(Event)]
#[event(used_elsewhere)]
struct ItemChanged {
    id: u64,
}

#[derive(Event)]
#[event(used_elsewhere)]
struct NobodyMinds {
    id: u64,
}

#[cached(ttl = 1m, invalidate_on = ItemChanged { id })]
async fn item(id: u64) -> u64 {
    sleep(Duration::from_millis(20)).await;
    id
}

#[cached(ttl = 1m, skip(count), inline, invalidate_on = ItemChanged { id })]
async fn counted(id: u64, count: &Counts) -> u64 {
    sleep(Duration::from_millis(20)).await;
    id + count.next()
}

#[derive(Debug, Default)]
struct Counts(std::sync::atomic::AtomicU64);

impl Counts {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }
}

#[cached(ttl = 1m, strategy = refresh_ahead(0.5))]
async fn ahead(id: u64) -> u64 {
    sleep(Duration::from_millis(20)).await;
    id
}

#[cached(ttl = 1m)]
async fn fallible(id: u64, fails: bool) -> Result<u64, String> {
    if fails { Err("no".to_owned()) } else { Ok(id) }
}

#[cached(ttl = 1m, key = id, strategy = stale_if_error(1h))]
async fn lenient(id: u64, fails: bool) -> Result<u64, String> {
    if fails { Err("no".to_owned()) } else { Ok(id) }
}

#[cached(ttl = 1h, weight = |size| *size)]
async fn heavy(id: u64, size: usize) -> usize {
    let _ = id;
    size
}

#[cached(ttl = 1h)]
async fn page(id: u64, size: usize) -> Vec<u8> {
    vec![id.to_le_bytes()[0]; size]
}

#[cached(ttl = 1m, codec = json)]
async fn quick(id: u64) -> Vec<u64> {
    (0..20_000).map(|n| n * id).collect()
}

#[cached(ttl = 1m, timeout = 10ms)]
async fn limited(id: u64, takes: u64) -> Result<u64, cache_core::TimedOut> {
    sleep(Duration::from_millis(takes)).await;
    Ok(id)
}

#[cached(ttl = 1m, strategy = stale_while_revalidate(1h))]
async fn revalidated(id: u64) -> u64 {
    sleep(Duration::from_millis(20)).await;
    id
}

fn builder() -> CacheBuilder {
    Cache::builder()
}

/// What is said of what was done, most urgent first.
fn symptoms(cache: &Cache) -> Vec<Symptom> {
    let advice = cache.advice();
    for advice in &advice {
        let said = advice.to_string();
        assert!(said.len() > 40 && !said.contains("  "), "{said}");
    }
    advice.into_iter().map(|advice| advice.symptom).collect()
}

#[tokio::test(start_paused = true)]
async fn of_a_cache_that_does_well_nothing_is_said() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    assert_eq!(symptoms(&cache), []);
    Cache::scope(cache.clone(), async {
        for round in 0..200 {
            for id in 0..50 {
                item(id).await;
                ahead(id).await;
            }
            if round % 20 == 0 {
                Cache::current().emit(ItemChanged { id: 7 }).await.unwrap();
            }
        }
    })
    .await;
    assert_eq!(symptoms(&cache), []);
}

#[tokio::test(start_paused = true)]
async fn redis_that_does_not_answer() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    let ask = async |from: u64| {
        for id in from..from + 300 {
            Cache::scope(cache.clone(), item(id)).await;
        }
    };
    ask(0).await;
    assert!(!symptoms(&cache).contains(&Symptom::RedisFails));
    redis.fail();
    ask(1_000).await;
    assert_eq!(symptoms(&cache)[0], Symptom::RedisFails);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_lost_often() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    let ask = async |times: u64| {
        for _ in 0..times {
            for id in 0..20 {
                Cache::scope(cache.clone(), item(id)).await;
            }
            redis.disconnect();
            sleep(Duration::from_secs(2)).await;
        }
    };
    ask(2).await;
    assert!(!symptoms(&cache).contains(&Symptom::UnstableSubscription));
    ask(15).await;
    assert!(symptoms(&cache).contains(&Symptom::UnstableSubscription));
}

#[tokio::test(start_paused = true)]
async fn entries_that_cannot_be_used() {
    let redis = FakeRedis::new();
    let (one, other) = (process(&redis).await, process(&redis).await);
    let ask = async |cache: &Cache| {
        for id in 0..150 {
            Cache::scope(cache.clone(), fallible(id, false))
                .await
                .unwrap();
        }
        sleep(Duration::from_secs(1)).await;
    };
    ask(&one).await;
    ask(&other).await;
    assert!(!symptoms(&other).contains(&Symptom::UnusableEntries));
    redis.damage(|bytes| bytes[0] ^= 0xFF);
    other.clear();
    ask(&other).await;
    assert!(symptoms(&other).contains(&Symptom::UnusableEntries));
}

#[tokio::test(start_paused = true)]
async fn loads_that_fail_where_nothing_stands_in() {
    let clock = ManualClock::new();
    let cache = builder().clock(clock.clock()).build().await.unwrap();
    Cache::scope(cache.clone(), async {
        for id in 0..200 {
            lenient(id, false).await.unwrap();
        }
        clock.advance(Duration::from_mins(2));
        for id in 0..200 {
            lenient(id, true).await.unwrap();
        }
        assert!(!symptoms(&cache).contains(&Symptom::FailingLoads));
        for id in 0..200 {
            let _ = fallible(id, id % 5 == 0).await;
        }
    })
    .await;
    assert!(symptoms(&cache).contains(&Symptom::FailingLoads));
}

#[tokio::test]
async fn memory_that_is_too_small_for_what_is_asked_for_again() {
    let evictions = [Eviction::Adaptive, Eviction::Lru];
    for (pages, limit, more) in [
        (200, 512 << 20, None),
        (200, 16 << 20, Some("with 25 % more memory about ")),
        (280, 16 << 20, Some("with 100 % more memory about ")),
        (
            2_000,
            16 << 20,
            Some("four times the memory would not have kept most of them"),
        ),
    ] {
        for eviction in evictions {
            let builder = builder().memory_limit(limit).eviction(eviction);
            let cache = builder.build().await.unwrap();
            Cache::scope(cache.clone(), async {
                for round in 0..20 {
                    for id in 0..pages {
                        heavy(id, 100_000).await;
                    }
                    if round * pages > 4_000 {
                        break;
                    }
                }
            })
            .await;
            assert_eq!(
                symptoms(&cache).contains(&Symptom::TooLittleMemory),
                more.is_some()
            );
            let mut found = cache.advice().into_iter();
            let found = found.find(|advice| advice.symptom == Symptom::TooLittleMemory);
            let stats = cache.stats();
            let evidence = found.map(|advice| advice.evidence).unwrap_or_default();
            assert!(
                evidence.contains(more.unwrap_or("")),
                "{pages}, {eviction:?}: {evidence}; {}",
                stats.total().ghosts
            );
        }
    }
}

#[tokio::test]
async fn values_that_are_too_heavy_for_memory() {
    let cache = builder().memory_limit(16 << 20).build().await.unwrap();
    Cache::scope(cache.clone(), async {
        for id in 0..100 {
            heavy(id, 1_000).await;
        }
        assert!(!symptoms(&cache).contains(&Symptom::TooHeavyValues));
        for id in 0..100 {
            heavy(id, 64 << 20).await;
        }
    })
    .await;
    assert!(symptoms(&cache).contains(&Symptom::TooHeavyValues));
}

#[tokio::test(start_paused = true)]
async fn values_that_are_too_large_for_redis() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    let ask = async |from: u64, size| {
        for id in from..from + 30 {
            Cache::scope(cache.clone(), page(id, size)).await;
        }
        sleep(Duration::from_secs(1)).await;
    };
    ask(0, 1_000).await;
    assert!(!symptoms(&cache).contains(&Symptom::TooLargeValues));
    ask(100, 2 << 20).await;
    assert!(symptoms(&cache).contains(&Symptom::TooLargeValues));
}

#[tokio::test(start_paused = true)]
async fn entries_that_are_made_void_more_often_than_they_are_used() {
    for (uses, is_storm) in [(1, true), (20, false)] {
        let cache = builder().build().await.unwrap();
        Cache::scope(cache.clone(), async {
            for _ in 0..300 {
                for _ in 0..uses {
                    item(1).await;
                }
                Cache::current().emit(ItemChanged { id: 1 }).await.unwrap();
            }
        })
        .await;
        let found = symptoms(&cache).contains(&Symptom::InvalidationStorm);
        assert_eq!(found, is_storm);
    }
}

/// Loads values again and again, as they expire or are made void; the same ones, or others.
async fn loaded_again(is_same: bool, is_expired: bool) -> Vec<Symptom> {
    let (redis, counts) = (FakeRedis::new(), Counts::default());
    let clock = ManualClock::new();
    let builder = builder().clock(clock.clock());
    let cache = builder.fake_redis(&redis).build().await.unwrap();
    Cache::scope(cache.clone(), async {
        for _ in 0..80 {
            for id in 0..5 {
                for _ in 0..10 {
                    if is_same {
                        item(id).await;
                    } else {
                        counted(id, &counts).await;
                    }
                }
                if !is_expired {
                    Cache::current().emit(ItemChanged { id }).await.unwrap();
                }
            }
            sleep(Duration::from_secs(1)).await;
            if is_expired {
                clock.advance(Duration::from_mins(2));
                redis.clear();
            }
        }
    })
    .await;
    symptoms(&cache)
}

#[tokio::test(start_paused = true)]
async fn reloads_that_give_the_same_are_told_from_those_that_do_not_and_by_what_caused_them() {
    use Symptom::{ShortTtl, TooBroadEvent};
    for (is_same, is_expired, told) in [
        (true, true, Some(ShortTtl)),
        (true, false, Some(TooBroadEvent)),
        (false, true, None),
        (false, false, None),
    ] {
        let found = loaded_again(is_same, is_expired).await;
        let found: Vec<_> = found
            .into_iter()
            .filter(|symptom| [ShortTtl, TooBroadEvent].contains(symptom))
            .collect();
        assert_eq!(found, Vec::from_iter(told), "{is_same} {is_expired}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_whenever_an_entry_in_use_expires() {
    let clock = ManualClock::new();
    let cache = builder().clock(clock.clock()).build().await.unwrap();
    Cache::scope(cache.clone(), async {
        for _ in 0..80 {
            for _ in 0..30 {
                ahead(1).await;
                sleep(Duration::from_millis(1)).await;
                clock.advance(Duration::from_secs(1));
            }
        }
        assert!(!symptoms(&cache).contains(&Symptom::WaitsAtExpiry));
        for _ in 0..80 {
            for _ in 0..30 {
                item(1).await;
                clock.advance(Duration::from_millis(2_100));
            }
        }
    })
    .await;
    assert!(
        symptoms(&cache).contains(&Symptom::WaitsAtExpiry),
        "{}",
        cache.stats()
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_hardly_asked_for_again() {
    for (keys, is_in_vain) in [(2_000, true), (20, false)] {
        let cache = builder().build().await.unwrap();
        for n in 0..2_000 {
            let _ = Cache::scope(cache.clone(), fallible(n % keys, false)).await;
        }
        let found = symptoms(&cache).contains(&Symptom::RarelyReused);
        assert_eq!(found, is_in_vain);
    }
}

#[tokio::test(start_paused = true)]
async fn redis_that_is_slower_than_the_load() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    redis.delay(Duration::from_millis(10));
    let ask = async |is_slow: bool| {
        for id in 0..200 {
            let _ = if is_slow {
                Cache::scope(cache.clone(), item(id)).await
            } else {
                Cache::scope(cache.clone(), fallible(id, false))
                    .await
                    .unwrap()
            };
        }
    };
    ask(true).await;
    assert!(!symptoms(&cache).contains(&Symptom::SlowRedis));
    ask(false).await;
    assert!(symptoms(&cache).contains(&Symptom::SlowRedis));
}

#[tokio::test]
async fn a_codec_that_is_dearer_than_the_load() {
    let redis = FakeRedis::new();
    let (one, other) = (process(&redis).await, process(&redis).await);
    for id in 0..60 {
        Cache::scope(one.clone(), quick(id)).await;
        Cache::scope(one.clone(), item(id % 3)).await;
    }
    redis.until(|redis| redis.writes() >= 63).await;
    for id in 0..30 {
        Cache::scope(other.clone(), quick(id)).await;
    }
    for id in 30..60 {
        Cache::scope(one.clone(), quick(id + 100)).await;
        Cache::scope(other.clone(), quick(id + 200)).await;
    }
    redis.until(|redis| redis.writes() >= 120).await;
    assert!(
        symptoms(&other).contains(&Symptom::SlowCodec),
        "{}",
        other.stats()
    );
    assert!(!symptoms(&one).contains(&Symptom::SlowCodec));
}

#[tokio::test]
async fn one_key_that_is_asked_for_much_more_than_others() {
    for (hot, is_hot) in [(2, true), (1_000_000, false)] {
        let cache = builder().build().await.unwrap();
        Cache::scope(cache.clone(), async {
            for n in 0..210_000_u64 {
                let id = if n % hot == 0 { 7 } else { 100 + n % 999 };
                let _ = fallible(id, false).await;
            }
        })
        .await;
        let advice = cache.advice();
        let found = advice.iter().find(|it| it.symptom == Symptom::HotKey);
        assert_eq!(found.is_some(), is_hot, "{advice:?}");
        assert!(
            found.is_none_or(|it| it.evidence.contains("`7:false`")),
            "{found:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_background_that_is_crowded() {
    for (limit, is_crowded) in [(2, true), (1_000, false)] {
        let clock = ManualClock::new();
        let builder = builder().clock(clock.clock()).background_limit(limit);
        let cache = builder.build().await.unwrap();
        Cache::scope(cache.clone(), async {
            for id in 0..300 {
                revalidated(id).await;
            }
            clock.advance(Duration::from_mins(2));
            for id in 0..300 {
                revalidated(id).await;
            }
            sleep(Duration::from_secs(1)).await;
        })
        .await;
        let found = symptoms(&cache).contains(&Symptom::CrowdedBackground);
        assert_eq!(found, is_crowded, "{}", cache.stats());
    }
}

#[tokio::test(start_paused = true)]
async fn loads_that_take_longer_than_they_may() {
    for (takes, is_late) in [(20, true), (5, false)] {
        let cache = builder().build().await.unwrap();
        for id in 0..150 {
            let _ = Cache::scope(cache.clone(), limited(id, takes)).await;
        }
        let found = symptoms(&cache).contains(&Symptom::FrequentTimeouts);
        assert_eq!(found, is_late);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_on_which_nothing_depends() {
    let redis = FakeRedis::new();
    for cache in [builder().build().await.unwrap(), process(&redis).await] {
        Cache::scope(cache.clone(), async {
            for id in 0..300 {
                item(id % 3).await;
                let heeded = ItemChanged { id: id % 3 };
                Cache::current().emit(heeded).await.unwrap();
                Cache::current().emit(NobodyMinds { id }).await.unwrap();
            }
        })
        .await;
        let advice = cache.advice();
        let unheeded = advice
            .iter()
            .filter(|it| it.symptom == Symptom::EventWithoutListeners);
        let about: Vec<_> = unheeded.map(|it| it.about.as_deref()).collect();
        assert_eq!(about, [Some("NobodyMinds")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_a_function_that_is_never_called() {
    let named = |name: &str| [(name.to_owned(), Policy::default())];
    let cache = builder().policies(named("advice::itme")).build().await;
    let cache = cache.unwrap();
    assert_eq!(symptoms(&cache), [], "it is too early to tell");
    for n in 0..1_200 {
        let _ = Cache::scope(cache.clone(), fallible(n, false)).await;
    }
    assert!(symptoms(&cache).contains(&Symptom::UnusedPolicy));
}

#[test]
fn what_is_most_urgent_comes_first() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let cache = runtime.unwrap().block_on(async {
        let cache = builder().memory_limit(16 << 20).build().await.unwrap();
        Cache::scope(cache.clone(), async {
            for id in 0..2_000 {
                heavy(id, 64 << 20).await;
            }
        })
        .await;
        cache
    });
    let found = thread::spawn(move || symptoms(&cache)).join().unwrap();
    let urgent = [
        Symptom::TooHeavyValues,
        Symptom::RarelyReused,
        Symptom::NeverCalled,
    ];
    assert_eq!(found, urgent);
}

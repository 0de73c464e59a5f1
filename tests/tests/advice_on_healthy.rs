//! Advice is of faults: a cache that does well, or whose trouble is another one, is spared it.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{sync::Arc, time::Duration};

use cache_core::{
    Cache, CachedCall, Event, FunctionStats, Miss, Policy, Symptom, cached,
    testing::{FakeRedis, ManualClock},
};
use futures::future::join_all;
use tests::process;
use tokio::time::sleep;

/// What is said, but for that which the other functions of this file are to blame for.
fn symptoms(cache: &Cache) -> Vec<Symptom> {
    let symptoms = cache.advice().into_iter().map(|advice| advice.symptom);
    symptoms
        .filter(|symptom| *symptom != Symptom::NeverCalled)
        .collect()
}

/// The row of a function.
fn row(cache: &Cache, name: &str) -> FunctionStats {
    cache.stats().function(name).unwrap().clone()
}

#[derive(Event)]
#[event(used_elsewhere)]
struct ItemChanged {
    id: u64,
}

#[cached(ttl = 5m, invalidate_on = ItemChanged { id })]
async fn item(id: u64) -> u64 {
    sleep(Duration::from_millis(20)).await;
    id
}

#[cached(ttl = 5m)]
async fn quick(id: u64) -> u64 {
    sleep(Duration::from_millis(4)).await;
    id
}

#[cached(ttl = 24h)]
async fn rate(id: u64) -> u64 {
    sleep(Duration::from_millis(20)).await;
    id
}

#[cached(ttl = 24h, weight = |_| 1 << 20)]
async fn page(id: u64) -> u64 {
    sleep(Duration::from_millis(20)).await;
    id
}

/// Values that nobody can weigh are bounded by number.
#[tokio::test]
async fn where_the_number_of_entries_is_what_is_short_no_memory_is_asked_for() {
    #[cached(ttl = 1h, tiers = memory)]
    async fn opaque(id: u64) -> Arc<dyn Fn() -> u64 + Send + Sync> {
        Arc::new(move || id)
    }
    let cache = Cache::builder().build().await.unwrap();
    Cache::scope(cache.clone(), async {
        for id in (0..2).flat_map(|_| 0..12_000) {
            opaque(id).await;
        }
    })
    .await;
    let advice = cache.advice();
    let said = advice
        .iter()
        .find(|advice| advice.symptom == Symptom::TooLittleMemory);
    let said = said.unwrap().to_string();
    assert!(
        said.contains("`unweighed_limit`") && !said.contains("`memory_limit`"),
        "{said}"
    );
}

/// Off by choice: a test, or a flag in production.
#[tokio::test(start_paused = true)]
async fn of_a_cache_that_is_off_nothing_is_said() {
    let cache = Cache::disabled();
    for id in 0..2_000 {
        Cache::scope(cache.clone(), item(id % 5)).await;
    }
    assert_eq!(symptoms(&cache), []);
}

#[tokio::test(start_paused = true)]
async fn of_a_function_that_is_off_by_its_policy_nothing_is_said() {
    let off: Policy = serde_json::from_str(r#"{ "off": true }"#).unwrap();
    let named = [("advice_on_healthy::item".to_owned(), off)];
    let cache = Cache::builder().policies(named).build().await.unwrap();
    for id in 0..2_000 {
        Cache::scope(cache.clone(), item(id % 5)).await;
    }
    assert_eq!(row(&cache, "item").bypassed, 2_000, "the policy is heeded");
    assert_eq!(symptoms(&cache), []);
}

/// It is made void ten times, which 50 callers notice each time, and used 800 times.
#[tokio::test(start_paused = true)]
async fn of_an_entry_that_is_made_void_ten_times_and_used_much_more_no_storm_is_said() {
    let cache = Cache::builder().build().await.unwrap();
    Cache::scope(cache.clone(), async {
        for _ in 0..10 {
            cache.emit(ItemChanged { id: 1 }).await.unwrap();
            join_all((0..50).map(|_| item(1))).await;
            for _ in 0..30 {
                item(1).await;
            }
        }
    })
    .await;
    assert_eq!(symptoms(&cache), []);
}

/// Each key is asked for every two minutes, and forgotten after one. Something is asked for again.
#[tokio::test(start_paused = true)]
async fn of_a_ttl_that_is_shorter_than_the_time_between_calls_it_is_not_said_that_nothing_is_asked_for_again()
 {
    #[cached(ttl = 1m, tiers = memory)]
    async fn name(id: u64) -> String {
        sleep(Duration::from_millis(20)).await;
        format!("{id}")
    }
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
    Cache::scope(cache.clone(), async {
        for _ in 0..50 {
            for id in 0..40 {
                name(id).await;
            }
            clock.advance(Duration::from_mins(2));
        }
    })
    .await;
    assert!(!symptoms(&cache).contains(&Symptom::RarelyReused));
}

#[tokio::test(start_paused = true)]
async fn of_loads_that_fail_it_is_not_said_that_nothing_is_asked_for_again() {
    #[cached(ttl = 1m)]
    async fn broken(id: u64) -> Result<u64, String> {
        Err(format!("no {id}"))
    }
    let cache = Cache::builder().build().await.unwrap();
    for _ in 0..1_500 {
        let _ = Cache::scope(cache.clone(), broken(1)).await;
    }
    let said = symptoms(&cache);
    assert_eq!(
        said,
        [Symptom::FailingLoads],
        "one key, asked for 1,500 times"
    );
}

/// The same with many callers at once, none of whom the breaker spares before it has opened.
#[tokio::test(start_paused = true)]
async fn one_hang_of_redis_under_load_makes_no_slow_one() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    redis.delay(Duration::from_millis(1));
    let burst = async |from: u64| {
        Cache::scope(cache.clone(), join_all((from..from + 100).map(quick))).await;
    };
    for n in 0..10 {
        burst(n * 100).await;
    }
    redis.hang();
    burst(10_000).await;
    redis.recover();
    redis.delay(Duration::from_millis(1));
    sleep(Duration::from_secs(3)).await;
    for n in 20..30 {
        burst(n * 1_000).await;
    }
    let said = symptoms(&cache);
    assert!(
        !said.contains(&Symptom::SlowRedis),
        "it answers in 1 ms, and a load takes 4 ms"
    );
}

/// 100,000 calls, of which 20 were late: 20 that waited for one load.
#[tokio::test(start_paused = true)]
async fn of_one_late_load_that_some_wait_for_nothing_is_said() {
    #[cached(ttl = 1h, timeout = 10ms, tiers = memory, key = id)]
    async fn limited(id: u64, takes: u64) -> Result<u64, cache_core::TimedOut> {
        sleep(Duration::from_millis(takes)).await;
        Ok(id)
    }
    let cache = Cache::builder().build().await.unwrap();
    Cache::scope(cache.clone(), async {
        for id in 0..150 {
            limited(id, 1).await.unwrap();
        }
        let late = join_all((0..20).map(|_| limited(1_000, 50))).await;
        assert!(late.iter().all(Result::is_err));
        for n in 0..100_000 {
            limited(n % 150, 1).await.unwrap();
        }
    })
    .await;
    assert_eq!(symptoms(&cache), []);
}

/// Reloaded as Redis was flushed and memory cleared, and not as the `ttl` is short.
#[tokio::test(start_paused = true)]
async fn of_values_that_were_reloaded_by_hand_it_is_not_said_that_the_ttl_is_short() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let cache = Cache::builder()
        .clock(clock.clock())
        .fake_redis(&redis)
        .build()
        .await
        .unwrap();
    Cache::scope(cache.clone(), async {
        for _ in 0..20 {
            for id in 0..20 {
                rate(id).refresh().await.unwrap();
                for _ in 0..10 {
                    rate(id).await;
                }
            }
            clock.advance(Duration::from_mins(10));
            sleep(Duration::from_secs(1)).await;
        }
        clock.advance(Duration::from_hours(25));
        rate(0).await;
    })
    .await;
    let said = symptoms(&cache);
    assert!(
        !said.contains(&Symptom::ShortTtl),
        "one call in 4,000 found that it had expired"
    );
}

/// What was evicted and loaded again is the same, of course.
#[tokio::test(start_paused = true)]
async fn of_values_that_were_evicted_it_is_not_said_that_the_ttl_is_short() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let builder = Cache::builder()
        .memory_limit(16 << 20)
        .clock(clock.clock())
        .fake_redis(&redis);
    let cache = builder.build().await.unwrap();
    Cache::scope(cache.clone(), async {
        for round in 0..20 {
            for id in 0..40 {
                page(id).await;
            }
            sleep(Duration::from_secs(1)).await;
            redis.clear();
            if round == 10 {
                clock.advance(Duration::from_hours(25));
            }
        }
    })
    .await;
    let it = row(&cache, "page");
    let said = symptoms(&cache);
    assert!(said.contains(&Symptom::TooLittleMemory));
    let (evicted, expired) = (it.missed(Miss::Evicted), it.missed(Miss::Expired));
    assert!(
        !said.contains(&Symptom::ShortTtl),
        "{evicted} were evicted, and {expired} had expired"
    );
}

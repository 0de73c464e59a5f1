//! What a trace tells of a request: each call and each event, in their order, and nothing of anybody else.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{collections::HashMap, time::Duration};

use cache_core::{
    Cache, CachedCall, Event, Miss, Source, Stale, Step, Traced, cached, event, invalidates,
    testing::{FakeRedis, ManualClock},
};
use tests::process;
use tokio::time::{sleep, timeout};

#[derive(Event)]
struct UserChanged {
    team: u64,
    id: u64,
}

#[cached(ttl = 1m, invalidate_on = UserChanged { team: 1, id })]
async fn user(id: u64) -> Result<u64, String> {
    sleep(Duration::from_millis(20)).await;
    if id == 99 {
        return Err("unknown".to_owned());
    }
    Ok(id)
}

#[cached(ttl = 1m, invalidate_on = UserChanged { team, .. })]
async fn team(team: u64) -> Result<Vec<u64>, String> {
    Ok(vec![user(team * 10).await?, user(team * 10 + 1).await?])
}

#[cached(ttl = 1m, strategy = stale_while_revalidate(1m))]
async fn price(id: u64) -> u64 {
    id
}

#[cached(ttl = 1m, batch(id in ids))]
async fn names(ids: &[u64]) -> Result<HashMap<u64, String>, String> {
    Ok(ids.iter().map(|id| (*id, id.to_string())).collect())
}

#[cached(ttl = 1m, inline)]
async fn fragile(id: u64) -> u64 {
    assert!(id > 0, "there is none");
    id
}

#[invalidates(UserChanged { team: 1, id })]
async fn rename(id: u64) {
    let _ = id;
}

/// What was told, by the last part of each name.
fn told<T>(traced: &Traced<T>) -> Vec<String> {
    let short = |name: &str| name.rsplit("::").next().unwrap().to_owned();
    let step = |step: &Step| match step {
        Step::Call { call, within, .. } => {
            let within = within.as_deref().map(short);
            format!(
                "{} {} {:?} {:?} {}",
                short(&call.function),
                call.key,
                call.source,
                call.miss,
                within.unwrap_or_default()
            )
        }
        Step::Unfinished { function, key, .. } => format!("{} {key} unfinished", short(function)),
        Step::Emitted {
            events,
            is_acknowledged,
            ..
        } => format!("emitted {} {is_acknowledged}", events.join(" ")),
        _ => String::new(),
    };
    traced.steps.iter().map(step).collect()
}

#[tokio::test(start_paused = true)]
async fn each_call_and_each_event_is_told_in_their_order_also_within_loads() {
    let cache = Cache::builder().build().await.unwrap();
    let request = async {
        user(10).await.unwrap();
        team(1).await.unwrap();
        rename(10).await;
        user(10).await.unwrap();
        Cache::current()
            .emit(event!(UserChanged { team: 2, .. }))
            .await
            .unwrap();
        user(99).await.unwrap_err();
        "done"
    };
    let traced = cache.trace(request).await;
    assert_eq!(traced.value, "done");
    let steps = [
        "user 10 Load Some(Absent) ",
        "team 1 Load Some(Absent) ",
        "user 10 Memory None team",
        "user 11 Load Some(Absent) team",
        "emitted UserChanged:1,10 true",
        "user 10 Load Some(Invalidated) ",
        "emitted UserChanged:2 true",
        "user 99 Load Some(Absent) ",
    ];
    assert_eq!(told(&traced), steps);
    assert_eq!(traced.left_out, 0);
    let shown = traced.to_string();
    let first = shown.lines().next().unwrap();
    assert_eq!(first, "6 calls: 1 from memory, 5 loaded");
    assert!(
        shown.contains("\n  in `traced::team`: `traced::user` for `10`: from memory"),
        "{shown}"
    );
    assert!(shown.contains("\nemitted `UserChanged:1,10`"), "{shown}");
    assert!(shown.contains("took 20."), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn what_is_traced_gives_what_it_would_and_is_counted_as_it_would_be() {
    let mut all = Vec::new();
    for is_traced in [false, true] {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
        let request = async {
            let mut given = Vec::new();
            given.push(price(1).await);
            given.push(price(1).await);
            clock.advance(Duration::from_secs(90));
            given.push(price(1).await);
            sleep(Duration::from_secs(1)).await;
            given.push(price(1).await);
            given.push(price(2).refresh().await.unwrap());
            given.push(user(1).await.unwrap());
            given.push(user(1).peek().await.unwrap().unwrap());
            given.extend(names(&[1, 2, 3]).await.unwrap().into_keys());
            given.extend(names(&[2, 3, 4]).await.unwrap().into_keys());
            given.sort_unstable();
            given
        };
        let given = if is_traced {
            cache.trace(request).await.value
        } else {
            Cache::scope(cache.clone(), request).await
        };
        let counted = |name| {
            let stats = cache.stats();
            let row = stats.function(name).unwrap();
            let served = (row.hits, row.loads, row.refreshes);
            (served, row.missed.clone(), row.stale_by.clone())
        };
        all.push((given, ["price", "user", "names"].map(counted)));
    }
    assert_eq!(all[0], all[1]);
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_told_and_its_refresh_is_not_part_of_the_request() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
    Cache::scope(cache.clone(), price(1)).await;
    clock.advance(Duration::from_secs(90));
    let traced = cache.trace(price(1)).await;
    assert_eq!(told(&traced), ["price 1 Memory None "]);
    assert_eq!(
        traced.calls().next().unwrap().stale,
        Some(Stale::Revalidating)
    );
}

#[tokio::test(start_paused = true)]
async fn of_many_keys_each_is_told() {
    let cache = Cache::builder().build().await.unwrap();
    let names = || async { names(&[1, 2]).await.unwrap().len() };
    let (first, second) = (cache.trace(names()).await, cache.trace(names()).await);
    let sources = |traced: &Traced<usize>| traced.calls().map(|call| call.source).collect();
    let [first, second]: [Vec<_>; 2] = [sources(&first), sources(&second)];
    assert_eq!(first.len(), 2, "{first:?}");
    assert_eq!(second, [Source::Memory; 2]);
}

#[tokio::test(start_paused = true)]
async fn calls_of_others_meanwhile_are_not_told() {
    let cache = Cache::builder().build().await.unwrap();
    let other = Cache::scope(cache.clone(), user(7));
    let (traced, _) = tokio::join!(cache.trace(user(8)), other);
    assert_eq!(told(&traced), ["user 8 Load Some(Absent) "]);
    let (traced, _) = tokio::join!(
        cache.trace(user(9)),
        Cache::scope(cache.clone(), async { user(9).await })
    );
    assert_eq!(traced.steps.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_trace_in_a_trace_tells_its_own_part() {
    let cache = Cache::builder().build().await.unwrap();
    let request = async {
        user(1).await.unwrap();
        Cache::current().trace(user(2)).await.steps.len()
    };
    let traced = cache.trace(request).await;
    assert_eq!((traced.value, traced.steps.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_no_answer_is_told_as_one() {
    let cache = Cache::builder().build().await.unwrap();
    let request = async {
        let _ = timeout(Duration::from_millis(1), user(1)).await;
        let panicked = tokio::spawn(Cache::scope(Cache::current(), fragile(0))).await;
        assert!(panicked.is_err());
        let panicked = std::panic::AssertUnwindSafe(fragile(0));
        let panicked = futures::FutureExt::catch_unwind(panicked).await;
        assert!(panicked.is_err());
        price(1).evict().await.unwrap();
    };
    let traced = cache.trace(request).await;
    // Nor is one told that has no output.
    let steps = ["user 1 unfinished", "fragile 0 unfinished"];
    assert_eq!(told(&traced), steps);
    // It is left behind as without a trace.
    sleep(Duration::from_secs(1)).await;
    assert!(Cache::scope(cache, user(1)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn redis_is_told_of_too() {
    let redis = FakeRedis::new();
    let (one, other) = (process(&redis).await, process(&redis).await);
    Cache::scope(one.clone(), user(1)).await.unwrap();
    redis.until(|redis| redis.writes() > 0).await;
    sleep(Duration::from_millis(50)).await;
    let traced = other
        .trace(async {
            user(1).await.unwrap();
            rename(1).await;
            redis.fail();
            rename(1).await;
            user(1).await.unwrap();
        })
        .await;
    let steps = [
        "user 1 Redis Some(Absent) ",
        "emitted UserChanged:1,1 true",
        "emitted UserChanged:1,1 false",
        "user 1 Load Some(Invalidated) ",
    ];
    assert_eq!(told(&traced), steps);
}

#[tokio::test]
async fn of_very_many_steps_the_first_are_told_and_the_rest_is_counted() {
    let cache = Cache::builder().build().await.unwrap();
    let traced = cache
        .trace(async {
            for _ in 0..10_500 {
                price(1).await;
            }
        })
        .await;
    assert_eq!((traced.steps.len(), traced.left_out), (10_000, 500));
    assert!(traced.to_string().ends_with("and 500 more"));
    assert_eq!(
        cache.stats().function("price").unwrap().missed,
        [(Miss::Absent, 1)]
    );
}

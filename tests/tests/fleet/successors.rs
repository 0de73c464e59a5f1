//! How many processes load a successor that all of them would load at once, without `fleet`.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_core::{
    Cache, Event, cached,
    testing::{FakeRedis, ManualClock},
};
use futures::future::join_all;

const MS: Duration = Duration::from_millis(1);
const ROUNDS: u64 = 3;

/// A source that counts its loads, each of which takes a while.
#[derive(Clone, Debug, Default)]
struct Source(Arc<AtomicU64>);

impl Source {
    async fn load(&self) -> u64 {
        let number = self.0.fetch_add(1, SeqCst) + 1;
        tokio::time::sleep(100 * MS).await;
        number
    }

    fn loads(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

/// A number is another one.
#[derive(Debug, Event)]
#[event(used_elsewhere)]
struct NumberChanged {
    id: u64,
}

#[cached(ttl = 10s, skip(source), strategy = stale_while_revalidate(1h))]
async fn revalidated(source: &Source, id: u64) -> u64 {
    source.load().await
}

#[cached(ttl = 100s, skip(source), strategy = refresh_ahead(0.5))]
async fn ahead(source: &Source, id: u64) -> u64 {
    source.load().await
}

#[cached(
    ttl = 1h,
    skip(source),
    invalidate_on = NumberChanged { id },
    strategy = stale_if_invalidated(1h)
)]
async fn lenient(source: &Source, id: u64) -> u64 {
    source.load().await
}

/// Has so many processes serve what is due, again and again; gives how many loads each time took.
async fn loads_each_time<F, E>(
    processes: usize,
    call: impl Fn(Source) -> F,
    age: impl Fn(ManualClock, Cache) -> E,
) -> f64
where
    F: Future<Output = u64>,
    E: Future<Output = ()>,
{
    let (clock, source) = (ManualClock::new(), Source::default());
    let redis = FakeRedis::on(&clock);
    let mut caches = Vec::new();
    for _ in 0..processes {
        let builder = Cache::builder().clock(clock.clock()).fake_redis(&redis);
        caches.push(builder.build().await.unwrap());
    }
    let call_all = async || {
        let calls = caches
            .iter()
            .map(|cache| Cache::scope(cache.clone(), call(source.clone())));
        join_all(calls).await
    };
    // One after the other, so that all have the same.
    for cache in &caches {
        Cache::scope(cache.clone(), call(source.clone())).await;
        redis.until(|redis| redis.writes() > 0).await;
    }
    let before = source.loads();
    for _ in 0..ROUNDS {
        let last = source.loads();
        age(clock.clone(), caches[0].clone()).await;
        let begun = Instant::now();
        while call_all().await.iter().any(|value| *value <= last) {
            assert!(
                begun.elapsed() < tests::SOON,
                "some have the old one for ever"
            );
            tokio::time::sleep(5 * MS).await;
        }
    }
    // What began late is to be counted too.
    tokio::time::sleep(200 * MS).await;
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    let loads = (source.loads() - before) as f64 / ROUNDS as f64;
    loads
}

async fn assert_few<F, E>(
    call: impl Fn(Source) -> F + Copy,
    age: impl Fn(ManualClock, Cache) -> E + Copy,
) where
    F: Future<Output = u64>,
    E: Future<Output = ()>,
{
    for processes in [1, 4, 16] {
        let loads = loads_each_time(processes, call, age).await;
        println!("{processes} processes: {loads:.1} loads");
        // One, but for whoever is stopped between its look and its claim.
        assert!(loads <= 2.0, "{loads} loads by {processes} processes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_serve_what_is_stale_load_its_successor_once() {
    assert_few(
        |source| async move { revalidated(&source, 1).await },
        |clock, _| async move { clock.advance(20 * 1_000 * MS) },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_refresh_ahead_load_a_successor_once() {
    assert_few(
        |source| async move { ahead(&source, 1).await },
        |clock, _| async move { clock.advance(85 * 1_000 * MS) },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_serve_what_is_void_load_its_successor_once() {
    assert_few(
        |source| async move { lenient(&source, 1).await },
        |_, cache| async move {
            cache.emit(NumberChanged { id: 1 }).await.unwrap();
        },
    )
    .await;
}

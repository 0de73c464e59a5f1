//! How long calls wait for a load, and how often one is tried that fails, is what the guide draws.
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
    Cache, CachedCall, cached,
    testing::{FakeRedis, ManualClock},
};
use tests::origin::Failure;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// A source that is slow or fails when it is told to.
#[derive(Clone, Default)]
struct Source(Arc<State>);

#[derive(Default)]
struct State {
    is_slow: AtomicBool,
    fails: AtomicBool,
    loads: AtomicU64,
}

impl Source {
    async fn load(&self) -> Result<u64, Failure> {
        self.0.loads.fetch_add(1, Relaxed);
        if self.0.is_slow.load(Relaxed) {
            sleep(Duration::from_millis(300)).await;
        }
        if self.0.fails.load(Relaxed) {
            Err(Failure::Temporary)
        } else {
            Ok(1)
        }
    }

    fn slow() -> Self {
        let source = Self::default();
        source.0.is_slow.store(true, Relaxed);
        source
    }
}

#[cached(ttl = 100s, skip(source))]
async fn unlimited(source: &Source) -> Result<u64, Failure> {
    source.load().await
}

#[cached(ttl = 100s, skip(source), strategy = stale_if_error(1m), soft_timeout = 50ms)]
async fn soft(source: &Source) -> Result<u64, Failure> {
    source.load().await
}

#[cached(ttl = 100s, skip(source), strategy = stale_if_error(1m), timeout = 200ms)]
async fn hard(source: &Source) -> Result<u64, Failure> {
    source.load().await
}

#[cached(ttl = 100s, skip(source), fleet)]
async fn fleet(source: &Source) -> Result<u64, Failure> {
    source.load().await
}

#[cached(ttl = 100s, skip(source), strategy = stale_if_error(1m))]
async fn failing(source: &Source) -> Result<u64, Failure> {
    source.load().await
}

/// The rows of one of the pictures, without what stands behind them.
fn rows(picture: usize) -> Vec<(&'static str, &'static str)> {
    let guide = include_str!("../../cache-core/docs/strategies.md");
    let picture = guide.split("```text\n").nth(picture).unwrap();
    let picture = picture.split("```").next().unwrap();
    let rows = picture.lines().filter_map(|line| {
        let (name, row) = line.split_once('|')?;
        Some((name.trim(), row.trim_end_matches('|').trim_end()))
    });
    rows.collect()
}

/// A call, as it is drawn.
async fn drawn(call: impl Future<Output = Result<u64, Failure>>) -> String {
    drawn_by(10, call).await
}

/// The same with a column for each so many milliseconds.
async fn drawn_by(column: usize, call: impl Future<Output = Result<u64, Failure>>) -> String {
    let asked = Instant::now();
    let end = if call.await.is_ok() { "=" } else { "x" };
    let waited = usize::try_from(asked.elapsed().as_millis()).unwrap();
    ".".repeat(waited / column) + end
}

/// A call that finds a value past its time, or none.
async fn drawn_of<F: Future<Output = Result<u64, Failure>>>(
    has_value: bool,
    call: impl Fn(Source) -> F,
) -> String {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
    let source = Source::default();
    if has_value {
        let first = Cache::scope(cache.clone(), call(source.clone()));
        first.await.unwrap();
        clock.advance(110 * SECOND);
    }
    source.0.is_slow.store(true, Relaxed);
    drawn(Cache::scope(cache, call(source))).await
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_as_long_as_the_guide_draws() {
    let soft = |source: Source| async move { soft(&source).await };
    let hard = |source: Source| async move { hard(&source).await };
    let unlimited = |source: Source| async move { unlimited(&source).await };
    let waits = [
        ("no limit", drawn_of(false, unlimited).await),
        ("soft_timeout = 50ms", drawn_of(false, soft).await),
        ("and a stale value", drawn_of(true, soft).await),
        ("timeout = 200ms", drawn_of(false, hard).await),
        ("and a stale value", drawn_of(true, hard).await),
        ("fleet, another process loads", drawn_of_fleet().await),
    ];
    let waits = waits.each_ref().map(|(name, row)| (*name, &**row));
    assert_eq!(rows(2)[..6], waits);
}

/// A call of another process than the one that loads.
async fn drawn_of_fleet() -> String {
    let (redis, source) = (FakeRedis::new(), Source::slow());
    let (a, b) = (tests::process(&redis).await, tests::process(&redis).await);
    let loads = tests::spawn_in(&a, {
        let source = source.clone();
        async move { fleet(&source).await }
    });
    let waits = async {
        tokio::task::yield_now().await;
        drawn(Cache::scope(b, fleet(&source))).await
    };
    let row = waits.await;
    loads.await.unwrap().unwrap();
    assert_eq!(source.0.loads.load(Relaxed), 1);
    row
}

#[tokio::test]
async fn loads_that_fail_are_tried_as_often_as_the_guide_draws() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
    let source = Source::default();
    let called = || async {
        let before = source.0.loads.load(Relaxed);
        let called = Cache::scope(cache.clone(), failing(&source)).await;
        called.unwrap();
        source.0.loads.load(Relaxed) - before
    };
    called().await;
    source.0.fails.store(true, Relaxed);
    clock.advance(100 * SECOND);
    let mut row = String::new();
    for _ in 100..135 {
        row.push(if called().await == 0 { '=' } else { '!' });
        clock.advance(SECOND);
    }
    assert_eq!(rows(2)[6], ("stale_if_error(1m)", &*row));
}

#[cached(ttl = 100s, skip(source))]
async fn plain(source: &Source, number: u64) -> Result<u64, Failure> {
    source.load().await
}

#[cached(ttl = 100s, skip(source), prefetch = page(source, number + 1))]
async fn page(source: &Source, number: u64) -> Result<u64, Failure> {
    source.load().await
}

#[tokio::test(start_paused = true)]
async fn a_page_that_was_prefetched_is_waited_for_as_the_guide_draws() {
    const COLUMN: Duration = Duration::from_millis(20);
    let cache = Cache::builder().build().await.unwrap();
    let source = Source::slow();
    Cache::scope(cache, async {
        let background = async {
            let mut row = String::new();
            sleep(COLUMN / 2).await;
            for _ in 0..25 {
                let is_there = page(&source, 2).peek().await.is_some();
                row.push(if is_there { ' ' } else { '~' });
                sleep(COLUMN).await;
            }
            row
        };
        let (first, background) = tokio::join!(drawn_by(20, page(&source, 1)), background);
        let second = background + &drawn_by(20, page(&source, 2)).await;
        let plain = " ".repeat(25) + &drawn_by(20, plain(&source, 2)).await;
        assert_eq!(
            rows(3),
            [
                ("page(1)", &*first),
                ("page(2)", &*plain),
                ("page(2) with `prefetch`", &*second)
            ]
        );
    })
    .await;
}

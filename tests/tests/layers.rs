//! Requests of a service, each in the cache of its layer; and the stand-in for Redis as a tester uses it.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use cache_core::{
    Cache, CachedCall, FunctionStats, RedisMiss, Source, cached,
    testing::{CacheLayer, CacheService, FakeRedis, Fault, ManualClock, Operation, ResponseFuture},
};
use futures::{FutureExt, join};
use tests::{SOON, until_loads};
use tokio::sync::Notify;
use tower_layer::Layer;
use tower_service::Service;

type Response<T> = Pin<Box<dyn Future<Output = Result<T, Infallible>> + Send>>;

/// A service of a closure, as `tower::service_fn` makes it.
#[derive(Clone)]
struct Handler<F>(F);

impl<R, T: 'static, A, F> Service<R> for Handler<F>
where
    F: FnMut(R) -> A,
    A: Future<Output = T> + Send + 'static,
{
    type Response = T;
    type Error = Infallible;
    type Future = Response<T>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        Box::pin((self.0)(request).map(Ok))
    }
}

async fn request<S, R>(service: &mut S, request: R) -> S::Response
where
    S: Service<R, Error = Infallible>,
{
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    service.call(request).await.unwrap()
}

async fn cache() -> Cache {
    Cache::builder().build().await.unwrap()
}

fn row(cache: &Cache, name: &str) -> FunctionStats {
    cache.stats().function(name).unwrap().clone()
}

#[cached(ttl = 1h)]
async fn double(n: u64) -> u64 {
    tokio::task::yield_now().await;
    n * 2
}

#[tokio::test]
async fn two_requests_at_once_in_two_layers_share_no_entries() {
    let (one, two) = (cache().await, cache().await);
    let app = Handler(double);
    let mut in_one = CacheLayer::new(one.clone()).layer(app.clone());
    let mut in_two = CacheLayer::new(two.clone()).layer(app);
    assert_eq!(
        join!(request(&mut in_one, 3), request(&mut in_two, 3)),
        (6, 6)
    );
    assert_eq!(
        join!(request(&mut in_one, 3), request(&mut in_two, 4)),
        (6, 8)
    );
    let counts = |cache: &Cache| (row(cache, "double").loads, row(cache, "double").hits);
    assert_eq!((counts(&one), counts(&two)), ((1, 1), (2, 0)));
    assert_eq!(Cache::current().stats().entries, 0);
}

#[tokio::test]
async fn requests_of_one_layer_share_loads_and_entries() {
    let cache = cache().await;
    let layer = CacheLayer::new(cache.clone());
    let mut app = layer.layer(Handler(double));
    let mut copy = app.clone();
    let mut other = layer.layer(Handler(double));
    join!(request(&mut app, 3), request(&mut copy, 3));
    request(&mut other, 3).await;
    let row = row(&cache, "double");
    assert_eq!((row.loads, row.shared_loads, row.hits), (1, 1, 1));
}

#[tokio::test]
async fn of_two_layers_the_inner_one_decides() {
    let (outer, inner) = (cache().await, cache().await);
    let app = CacheLayer::new(inner.clone()).layer(Handler(double));
    let mut app = CacheLayer::new(outer.clone()).layer(app);
    Cache::scope(cache().await, request(&mut app, 3)).await;
    assert_eq!((outer.stats().entries, inner.stats().entries), (0, 1));
}

#[cached(ttl = 1h)]
async fn sum(n: u64) -> u64 {
    double(n).await + double(n + 1).await
}

#[tokio::test]
async fn what_a_load_in_a_task_of_its_own_calls_is_in_the_cache_of_the_layer() {
    let cache = cache().await;
    let mut app = CacheLayer::new(cache.clone()).layer(Handler(sum));
    assert_eq!(request(&mut app, 1).await, 6);
    assert_eq!(cache.stats().entries, 3);
    assert_eq!(Cache::current().stats().entries, 0);
}

#[tokio::test]
async fn what_a_service_does_before_its_future_is_polled_is_in_the_cache_too() {
    let cache = cache().await;
    let spawns = |n: u64| {
        let task = tokio::spawn(Cache::scope(Cache::current(), double(n)));
        async move { task.await.unwrap() }
    };
    let mut app = CacheLayer::new(cache.clone()).layer(Handler(spawns));
    assert_eq!(request(&mut app, 2).await, 4);
    assert_eq!(cache.stats().entries, 1);
}

static GATE: Notify = Notify::const_new();

#[cached(ttl = 1h)]
async fn gated(n: u64) -> u64 {
    GATE.notified().await;
    n
}

#[tokio::test]
async fn a_request_dropped_half_way_leaves_its_load_to_the_layer_s_cache() {
    let cache = cache().await;
    let mut app = CacheLayer::new(cache.clone()).layer(Handler(gated));
    let dropped = Arc::new(Notify::new());
    let guard = Arc::downgrade(&dropped);
    let mut holding = CacheLayer::new(cache.clone()).layer(Handler(move |n| {
        let held = Arc::clone(&dropped);
        async move {
            let n = gated(n).await;
            drop(held);
            n
        }
    }));
    assert_eq!(request(&mut holding, 1).now_or_never(), None);
    assert_eq!(guard.strong_count(), 1, "its future was dropped with it");
    until_loads(&cache, 1).await;
    GATE.notify_one();
    assert_eq!(request(&mut app, 1).await, 1);
    assert_eq!(row(&cache, "gated").loads, 1);
    assert_eq!(Cache::current().stats().entries, 0);
}

/// Ready once for each time it was asked, as a service behind a limit is: whoever is called without having
/// been asked is wrong.
#[derive(Default)]
struct Limited {
    is_ready: bool,
    has_waited: Arc<AtomicBool>,
}

impl Clone for Limited {
    fn clone(&self) -> Self {
        Self {
            is_ready: false,
            has_waited: Arc::clone(&self.has_waited),
        }
    }
}

impl Service<u64> for Limited {
    type Response = u64;
    type Error = Infallible;
    type Future = Response<u64>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if !self.has_waited.swap(true, SeqCst) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: u64) -> Self::Future {
        assert!(
            std::mem::take(&mut self.is_ready),
            "called before it was ready"
        );
        Box::pin(double(n).map(Ok))
    }
}

#[tokio::test]
async fn the_service_that_said_it_is_ready_is_the_one_that_is_called() {
    let limited = Limited::default();
    let has_waited = Arc::clone(&limited.has_waited);
    let mut app = CacheLayer::new(cache().await).layer(limited);
    assert!(poll_fn(|cx| app.poll_ready(cx)).now_or_never().is_none());
    assert!(has_waited.load(SeqCst), "the question was passed on");
    for n in 0..3 {
        assert_eq!(request(&mut app, n).await, n * 2);
    }
}

#[test]
fn layer_service_and_response_are_what_routers_ask_for() {
    fn is_shared<T: Clone + Send + Sync + 'static>() {}
    fn is_sent<T: Send + 'static>() {}
    is_shared::<CacheLayer>();
    is_shared::<CacheService<Limited>>();
    is_sent::<ResponseFuture<Response<u64>>>();
}

async fn process(redis: &FakeRedis) -> Cache {
    Cache::builder().fake_redis(redis).build().await.unwrap()
}

async fn explain(cache: &Cache, n: u64) -> (Source, Option<RedisMiss>) {
    let call = double(n).explain();
    let explained = Cache::scope(cache.clone(), call).await.unwrap();
    (explained.source, explained.redis)
}

#[tokio::test(start_paused = true)]
async fn injected_faults_are_met_one_after_the_other_and_then_no_more() {
    use RedisMiss::{Absent, Late, Unavailable};
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    redis.inject_next(2, Operation::Read, Fault::Fail);
    redis.inject_next(0, Operation::Read, Fault::Fail);
    redis.inject_next(1, Operation::Read, Fault::Hang);
    redis.inject_next(1, Operation::Read, Fault::Delay(Duration::from_millis(90)));
    let mut misses = Vec::new();
    for n in 0..5 {
        misses.push(explain(&cache, n).await.1.unwrap());
    }
    assert_eq!(misses, [Unavailable, Unavailable, Late, Absent, Absent]);
}

#[tokio::test(start_paused = true)]
async fn reads_can_be_at_fault_while_writes_are_not() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    redis.inject(Operation::Read, Fault::Fail);
    explain(&here, 1).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    let failed = (Source::Load, Some(RedisMiss::Unavailable));
    assert_eq!(explain(&there, 1).await, failed);
    redis.recover();
    assert_eq!(explain(&process(&redis).await, 1).await.0, Source::Redis);
}

#[tokio::test(start_paused = true)]
async fn writes_can_be_at_fault_while_reads_are_not() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    explain(&here, 1).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    redis.inject(Operation::Write, Fault::Hang);
    explain(&here, 2).await;
    redis.until(|redis| redis.writes() == 2).await;
    assert_eq!(explain(&there, 1).await.0, Source::Redis);
    assert_eq!(redis.keys().len(), 1);
    // After a second nobody waits for the write any more.
    redis.recover();
    explain(&here, 3).await;
    redis.until(|redis| redis.keys().len() == 2).await;
    assert_eq!(row(&here, "double").redis_fills_lost, 1);
}

#[tokio::test]
async fn entries_that_were_cleared_or_have_expired_are_not_shown() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let builder = Cache::builder().fake_redis(&redis).clock(clock.clock());
    let cache = builder.build().await.unwrap();
    explain(&cache, 1).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    assert!(redis.bytes() > 0);
    clock.advance(Duration::from_hours(1));
    assert_eq!((redis.keys(), redis.bytes()), (vec![], 0));

    explain(&cache, 1).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    redis.clear();
    assert!(redis.keys().is_empty());
    let there = process(&redis).await;
    let absent = (Source::Load, Some(RedisMiss::Absent));
    assert_eq!(explain(&there, 1).await, absent);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "layers.rs")]
async fn waiting_in_vain_for_redis_names_the_line_that_waits() {
    FakeRedis::new().until(|redis| redis.writes() > 0).await;
}

#[tokio::test]
async fn a_handle_of_a_disabled_cache_is_no_error_and_keeps_nothing() {
    let disabled = Cache::disabled();
    let answers = async {
        assert_eq!(double(1).refresh().await, Ok(2));
        assert_eq!(double(1).put(7).await, Ok(()));
        assert_eq!(double(1).prefetch().await, Ok(()));
        assert_eq!(double(1).evict().await, Ok(()));
        assert_eq!(double(1).peek().await, None);
        double(1).explain().await.unwrap().source
    };
    let answered = Cache::scope(disabled.clone(), answers);
    let source = tokio::time::timeout(SOON, answered).await.unwrap();
    assert_eq!(source, Source::Uncached);
    let row = row(&disabled, "double");
    assert_eq!((row.loads, row.entries), (2, 0), "prefetch runs nothing");
}

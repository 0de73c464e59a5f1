//! Requests of a service, each in the cache of its layer.
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
};

use cache_core::{
    Cache, FunctionStats, cached,
    testing::{CacheLayer, CacheService, ResponseFuture},
};
use futures::{FutureExt, join};
use tests::until_loads;
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

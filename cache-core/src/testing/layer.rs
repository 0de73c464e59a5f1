//! A layer that gives all requests of a service one cache.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use crate::{
    cache::Cache,
    context::{self, Scoped},
};

/// A layer of `tower` that runs each request in the [`scope`](Cache::scope) of one cache.
///
/// In a test of an axum app, `router.layer(CacheLayer::new(cache))` isolates it from all others. If there are two
/// layers, the inner one decides. Tasks that a handler spawns are outside the scope, as of every scope.
///
/// ```
/// use std::{convert::Infallible, future::{Ready, ready}, pin::Pin, task::{Context, Poll}};
/// use cache_core::{Cache, cached, testing::CacheLayer};
/// use tower_layer::Layer;
/// use tower_service::Service;
///
/// #[cached(ttl = 1h)]
/// async fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// struct App; // in yours, a `Router`
///
/// impl Service<u64> for App {
///     type Response = u64;
///     type Error = Infallible;
///     type Future = Pin<Box<dyn Future<Output = Result<u64, Infallible>> + Send>>;
///
///     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
///         Poll::Ready(Ok(()))
///     }
///
///     fn call(&mut self, n: u64) -> Self::Future {
///         Box::pin(async move { Ok(square(n).await) })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Cache::builder().build().await?;
/// let mut app = CacheLayer::new(cache.clone()).layer(App);
/// std::future::poll_fn(|cx| app.poll_ready(cx)).await?;
/// assert_eq!(app.call(3).await?, 9);
/// assert_eq!(cache.stats().function("square").map(|f| f.loads), Some(1));
/// assert_eq!(Cache::current().stats().entries, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CacheLayer(Cache);

impl CacheLayer {
    /// The layer whose requests go to `cache`.
    #[must_use]
    pub fn new(cache: Cache) -> Self {
        Self(cache)
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> CacheService<S> {
        CacheService {
            cache: self.0.clone(),
            inner,
        }
    }
}

/// The service in which [`CacheLayer`] wraps another one.
#[derive(Clone, Debug)]
pub struct CacheService<S> {
    cache: Cache,
    inner: S,
}

impl<S: Service<R>, R> Service<R> for CacheService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        // What a service does before its future is polled belongs to the request as well.
        let response = context::in_scope(&self.cache, || self.inner.call(request));
        ResponseFuture {
            scoped: Scoped::new(self.cache.clone(), response),
        }
    }
}

pin_project_lite::pin_project! {
    /// A pending response, in the scope of a [`CacheLayer`]'s cache. Dropping it drops the response of the inner
    /// service.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        scoped: Scoped<F>,
    }
}

impl<F: Future> Future for ResponseFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().scoped.poll(cx)
    }
}

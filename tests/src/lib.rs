//! What several suites need: both runtimes, isolated caches, counted bodies.

use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use cache_core::Cache;
use tokio::{runtime::Builder, task::JoinHandle};

/// How long a test may wait for what must happen at once.
pub const SOON: Duration = Duration::from_secs(20);

/// Runs a test on a runtime of one thread and on one of two.
///
/// # Panics
///
/// When the test panics on either, or hangs for longer than [`SOON`].
pub fn on_both_runtimes<F: Future<Output = ()>>(test: impl Fn(Cache) -> F) {
    for (name, mut builder) in [
        ("current-thread", Builder::new_current_thread()),
        ("multi-thread", Builder::new_multi_thread()),
    ] {
        let runtime = builder
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime starts");
        runtime.block_on(async {
            let cache = Cache::builder()
                .build()
                .await
                .expect("the defaults are valid");
            let ended = tokio::time::timeout(SOON, Cache::scope(cache.clone(), test(cache))).await;
            assert!(ended.is_ok(), "hung on the {name} runtime");
        });
    }
}

/// Spawns a call that goes to `cache`.
pub fn spawn_in<F>(cache: &Cache, call: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(Cache::scope(cache.clone(), call))
}

/// Counts the runs of a body.
#[derive(Debug, Default)]
pub struct Runs(AtomicUsize);

impl Runs {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// One more; gives how many there were before.
    pub fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    /// One less.
    pub fn sub(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }

    /// How many now.
    pub fn peek(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// How many since the last time this was asked.
    pub fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

/// Waits until something is so.
///
/// # Panics
///
/// When it is not so [`SOON`].
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < SOON, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

//! What several suites need: both runtimes, isolated caches, counted bodies, real servers and broken
//! links to them.

pub mod anything;
pub mod authority;
#[cfg(unix)]
pub mod clusters;
pub mod log;
pub mod origin;
#[cfg(unix)]
pub mod proxy;
pub mod rows;
#[cfg(unix)]
pub mod sentinels;
#[cfg(unix)]
pub mod server;
#[cfg(unix)]
pub mod soak;
pub mod spans;

use std::{
    future::Future,
    sync::{
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use cache_core::{Cache, testing::FakeRedis};
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

/// Runs a future on a runtime of this thread alone.
///
/// # Panics
///
/// As the future does.
pub fn on_this_thread<F: Future>(future: F) -> F::Output {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime
        .expect("a runtime needs nothing that is not there")
        .block_on(future)
}

/// Runs a test on a thread of its own: one that blocks its thread fails as well.
///
/// # Panics
///
/// When the test panics, or is not over `within` that time.
pub fn bounded(within: Duration, test: impl FnOnce() + Send + 'static) {
    let (over, is_over) = mpsc::channel();
    let running = thread::spawn(move || {
        test();
        let _ = over.send(());
    });
    let ended = is_over.recv_timeout(within);
    assert_ne!(ended, Err(RecvTimeoutError::Timeout), "a thread is blocked");
    if let Err(panic) = running.join() {
        std::panic::resume_unwind(panic);
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

/// Random numbers that a seed decides, for as many tasks as like:
/// `SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>.
#[derive(Debug)]
pub struct Random(AtomicU64);

impl Random {
    /// The numbers of one seed.
    #[must_use]
    pub const fn of_seed(seed: u64) -> Self {
        // Neighbouring seeds would begin with neighbouring states.
        Self(AtomicU64::new(seed.wrapping_mul(0xD134_2543_DE82_EF95)))
    }

    /// The next number, less than `n`.
    ///
    /// # Panics
    ///
    /// When `n` is zero.
    pub fn below(&self, n: usize) -> usize {
        let mut x = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((x ^ (x >> 31)) % n as u64).expect("it is less than a `usize`")
    }

    /// One of several, each as likely.
    ///
    /// # Panics
    ///
    /// When there are none.
    pub fn one_of<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// A cache on a stand-in for Redis, as another process would have it.
///
/// # Panics
///
/// When it cannot be built.
pub async fn process(redis: &FakeRedis) -> Cache {
    let built = Cache::builder().fake_redis(redis).build().await;
    built.expect("the defaults are valid")
}

/// How many loads the functions of a cache have begun.
#[must_use]
pub fn loads(cache: &Cache) -> u64 {
    cache.stats().functions.iter().map(|row| row.loads).sum()
}

/// Makes calls with a key, once more with the same and then with another, in a cache of their own. Gives how
/// many loads each time took.
///
/// # Panics
///
/// When the cache cannot be built.
pub async fn loads_by_key<F: Future<Output = ()>>(calls: impl Fn(u64) -> F) -> [u64; 3] {
    let built = Cache::builder().build().await;
    let cache = built.expect("the defaults are valid");
    let mut taken = [0; 3];
    for (taken, key) in taken.iter_mut().zip([1, 1, 2]) {
        let before = loads(&cache);
        Cache::scope(cache.clone(), calls(key)).await;
        *taken = loads(&cache) - before;
    }
    taken
}

/// Waits until the functions of a cache have begun so many loads.
///
/// # Panics
///
/// When they do not [`SOON`].
pub async fn until_loads(cache: &Cache, begun: u64) {
    until("the load runs", || loads(cache) == begun).await;
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

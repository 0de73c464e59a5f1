//! A source that fails and waits when it is told to, for what becomes of old values and slow loads.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use cache_core::{Cache, TimedOut, testing::ManualClock};

use crate::until;

/// Runs a test in a cache of its own, with time that stands still.
///
/// # Panics
///
/// When the test does.
pub fn timed<F: Future<Output = ()>>(test: impl FnOnce(ManualClock, Cache) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async {
        let clock = ManualClock::new();
        let cache = Cache::builder()
            .clock(clock.clock())
            .build()
            .await
            .expect("it is in memory");
        Cache::scope(cache.clone(), test(clock, cache)).await;
    });
}

/// A source of numbers that counts its loads, and fails or waits when it is told to.
#[derive(Clone, Debug, Default)]
pub struct Origin(Arc<State>);

#[derive(Debug, Default)]
struct State {
    begun: AtomicU64,
    ended: AtomicU64,
    fails: AtomicBool,
    is_closed: AtomicBool,
    opened: tokio::sync::Notify,
}

/// Why a load failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may be well soon.
    Temporary,
    /// It never will be.
    Final,
    /// It takes too long.
    Late(TimedOut),
}

impl From<TimedOut> for Failure {
    fn from(late: TimedOut) -> Self {
        Self::Late(late)
    }
}

impl Failure {
    /// Whether it may pass.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        *self == Self::Temporary
    }
}

impl Origin {
    /// Gives how many loads have begun.
    ///
    /// # Errors
    ///
    /// When it is told to fail.
    pub async fn load(&self) -> Result<u64, Failure> {
        let number = self.0.begun.fetch_add(1, Relaxed) + 1;
        loop {
            let opened = self.0.opened.notified();
            if !self.0.is_closed.load(Relaxed) {
                break;
            }
            opened.await;
        }
        self.0.ended.fetch_add(1, Relaxed);
        if self.0.fails.load(Relaxed) {
            Err(Failure::Temporary)
        } else {
            Ok(number)
        }
    }

    /// How many loads have begun.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.0.begun.load(Relaxed)
    }

    /// Has loads fail, or not.
    pub fn fail(&self, fails: bool) {
        self.0.fails.store(fails, Relaxed);
    }

    /// Loads wait until it is opened again.
    pub fn close(&self) {
        self.0.is_closed.store(true, Relaxed);
    }

    /// Loads go on.
    pub fn open(&self) {
        self.0.is_closed.store(false, Relaxed);
        self.0.opened.notify_waiters();
    }

    /// Waits until so many loads have begun.
    pub async fn until_begun(&self, loads: u64) {
        until("a load begins", || self.begun() >= loads).await;
    }

    /// Waits until so many loads have ended, and what they gave is kept.
    pub async fn until_ended(&self, loads: u64) {
        until("a load ends", || self.0.ended.load(Relaxed) >= loads).await;
        // What it gave is kept behind the end of the body.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

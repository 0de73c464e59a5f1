//! Attacks on strategies and batches.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

#[path = "hostile_strategies/batches.rs"]
mod batches;
#[path = "hostile_strategies/panics.rs"]
mod panics;
#[path = "hostile_strategies/stand_ins.rs"]
mod stand_ins;
#[path = "hostile_strategies/successors.rs"]
mod successors;
#[path = "hostile_strategies/values.rs"]
mod values;

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_core::{
    Cache, CachedCall, Event, Policy, TimedOut, cached,
    testing::{FakeRedis, ManualClock},
};
use tests::{on_both_runtimes, rows::Table};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn one_thread<F: Future<Output = ()>>(test: impl FnOnce(ManualClock, Cache) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clock()).build().await.unwrap();
        Cache::scope(cache.clone(), test(clock, cache)).await;
    });
}

/// A runtime that goes on where nobody waits for it.
fn one_worker() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// Whether it ends within five seconds.
async fn ends<F: Future>(call: F) -> F::Output {
    tokio::time::timeout(5 * SECOND, call)
        .await
        .expect("it hangs")
}

#[derive(Debug, Event)]
pub struct Changed {
    pub id: u64,
}

#[derive(Clone, Debug, Default)]
struct Source(Arc<State>);
#[derive(Debug, Default)]
struct State {
    begun: AtomicU64,
    fails: AtomicBool,
    hangs: AtomicBool,
    value: AtomicU64,
    log: Mutex<Vec<Vec<u64>>>,
}
#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    No,
    Late(TimedOut),
}
impl From<TimedOut> for Failure {
    fn from(late: TimedOut) -> Self {
        Self::Late(late)
    }
}
impl Source {
    async fn load(&self) -> Result<u64, Failure> {
        self.0.begun.fetch_add(1, SeqCst);
        let value = self.0.value.load(SeqCst);
        if self.0.hangs.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.0.fails.load(SeqCst) {
            Err(Failure::No)
        } else {
            Ok(value)
        }
    }
    fn begun(&self) -> u64 {
        self.0.begun.load(SeqCst)
    }
    fn set(&self, value: u64) {
        self.0.value.store(value, SeqCst);
    }
    fn many(&self, ids: &[u64]) -> HashMap<u64, u64> {
        self.0.log.lock().unwrap().push(ids.to_vec());
        ids.iter().map(|id| (*id, *id)).collect()
    }
}

#[cached(ttl = 1h, skip(source), batch(id in ids), invalidate_on = Changed { id })]
async fn users(source: &Source, ids: &[u64]) -> Result<HashMap<u64, u64>, Failure> {
    Ok(source.many(ids))
}

#[cached(ttl = 1h, skip(source), invalidate_on = Changed { id }, strategy = stale_if_invalidated(1h))]
async fn lenient(source: &Source, id: u64) -> Result<u64, Failure> {
    source.load().await
}

#[cached(ttl = 1h, skip(source), invalidate_on = Changed { id })]
async fn made(source: &Source, id: u64) -> Result<u64, Failure> {
    lenient(source, id).await
}

/// A future as a recursive function needs it.
type Sent<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

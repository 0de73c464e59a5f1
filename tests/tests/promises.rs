//! What is promised of strategies and batches, where several things come together.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

#[path = "promises/ages.rs"]
mod ages;
#[path = "promises/chance.rs"]
mod chance;
#[path = "promises/commands.rs"]
mod commands;
#[path = "promises/ends.rs"]
mod ends;
#[path = "promises/hung.rs"]
mod hung;
#[path = "promises/policies.rs"]
mod policies;
#[path = "promises/puts.rs"]
mod puts;
#[path = "promises/sharing.rs"]
mod sharing;
#[path = "promises/slow_lines.rs"]
mod slow_lines;
#[path = "promises/suspects.rs"]
mod suspects;
#[path = "promises/time_limits.rs"]
mod time_limits;
#[path = "promises/timelines.rs"]
mod timelines;
#[path = "promises/void.rs"]
mod void;

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
    testing::{FakeRedis, Fault, ManualClock, Operation},
};
use tests::{on_both_runtimes, server::Server};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

type Map = HashMap<u64, u64>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    No,
    Late,
}

impl From<TimedOut> for Failure {
    fn from(_: TimedOut) -> Self {
        Self::Late
    }
}

#[derive(Debug, Event)]
pub struct Changed {
    pub id: u64,
}

/// A source that counts its loads and their keys.
#[derive(Clone, Debug, Default)]
struct Source(Arc<State>);

#[derive(Debug, Default)]
struct State {
    value: AtomicU64,
    fails: AtomicBool,
    hangs: AtomicBool,
    log: Mutex<Vec<Vec<u64>>>,
    took: AtomicU64,
}

impl Source {
    async fn many(&self, ids: &[u64]) -> Result<Map, Failure> {
        self.0.log.lock().unwrap().push(ids.to_vec());
        let value = self.0.value.load(SeqCst);
        let took = self.0.took.load(SeqCst);
        if took > 0 {
            tokio::time::sleep(Duration::from_millis(took)).await;
        }
        while self.0.hangs.load(SeqCst) {
            tokio::time::sleep(MS).await;
        }
        if self.0.fails.load(SeqCst) {
            return Err(Failure::No);
        }
        Ok(ids.iter().map(|id| (*id, value)).collect())
    }
    async fn one(&self, id: u64) -> Result<u64, Failure> {
        self.many(&[id]).await.map(|map| map[&id])
    }
    fn loads(&self) -> usize {
        self.0.log.lock().unwrap().len()
    }
    fn log(&self) -> Vec<Vec<u64>> {
        self.0.log.lock().unwrap().clone()
    }
    fn set(&self, value: u64) {
        self.0.value.store(value, SeqCst);
    }
}

async fn ends<F: Future>(call: F) -> F::Output {
    tokio::time::timeout(8 * SECOND, call)
        .await
        .expect("it hangs")
}

async fn fast(redis: &FakeRedis) -> Cache {
    let builder = Cache::builder().fake_redis(redis);
    builder.redis_budget(100 * MS).build().await.unwrap()
}

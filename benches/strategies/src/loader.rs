//! Many callers at once with a key of their own each, none of which is there: loaded together, beside the crate
//! `dataloader`.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use cache_core::{Cache, cached};
use dataloader::{BatchFn, cached::Loader};

use crate::median;

const CALLERS: u64 = 1_000;
const ROUNDS: u64 = 15;

#[cached(ttl = 1h, tiers = memory, batch(id in ids, max = 200))]
async fn squares(ids: &[u64]) -> HashMap<u64, u64> {
    OURS.fetch_add(1, Relaxed);
    ids.iter().map(|id| (*id, id * id)).collect()
}

static OURS: AtomicU64 = AtomicU64::new(0);
static THEIRS: AtomicU64 = AtomicU64::new(0);

struct Squares;

impl BatchFn<u64, u64> for Squares {
    async fn load(&mut self, ids: &[u64]) -> HashMap<u64, u64> {
        THEIRS.fetch_add(1, Relaxed);
        ids.iter().map(|id| (*id, id * id)).collect()
    }
}

pub(crate) async fn measure() {
    let cache = Cache::builder().build().await.expect("it is in memory");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let keys = round * CALLERS..(round + 1) * CALLERS;
        let calls = keys.clone().map(|id| {
            Cache::scope(cache.clone(), async move {
                assert_eq!(squares(&[id]).await[&id], id * id);
            })
        });
        ours.push(all(calls.collect()).await);
        let loader = Loader::new(Squares).with_yield_count(1);
        let calls = keys.map(|id| {
            let loader = loader.clone();
            async move { assert_eq!(loader.load(id).await, id * id) }
        });
        theirs.push(all(calls.collect()).await);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("### {CALLERS} tasks with a key each that nobody has: medians of {ROUNDS} rounds\n");
    println!("| | us per key | loads per round |\n|:--|--:|--:|");
    for (name, time, loads) in [
        ("`batch(id in ids)`", ours, &OURS),
        ("`dataloader`", theirs, &THEIRS),
    ] {
        let each = time.as_secs_f64() * 1e6 / 1e3;
        println!("| {name} | {each:.2} | {} |", loads.load(Relaxed) / ROUNDS);
    }
}

/// How long tasks take, begun at one moment.
async fn all<F: Future<Output = ()> + Send + 'static>(calls: Vec<F>) -> Duration {
    let begun = Instant::now();
    let tasks: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
    for task in tasks {
        task.await.expect("it does not panic");
    }
    begun.elapsed()
}

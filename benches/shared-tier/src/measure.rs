//! Times of many calls, and their medians.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// Different values on the server.
pub(crate) const KEYS: u64 = 1_024;

/// Values that are read in one round of many callers.
pub(crate) const VALUES: u32 = 256 * 200;

const CALLS: u64 = 2_000;

pub(crate) fn median<T: Ord>(mut all: Vec<T>) -> T {
    all.sort_unstable();
    let middle = all.len() / 2;
    all.swap_remove(middle)
}

/// The median latency of calls that follow one another.
pub(crate) async fn median_latency<F: Future>(call: impl Fn(u64) -> F) -> Duration {
    let mut latencies = Vec::new();
    for n in 0..CALLS {
        let begin = Instant::now();
        call(n % KEYS).await;
        latencies.push(begin.elapsed());
    }
    median(latencies)
}

/// The mean time of calls with keys that nobody used before.
pub(crate) async fn mean_time<F: Future>(call: impl Fn(u64) -> F) -> Duration {
    const CALLS: u32 = 50_000;
    let begin = Instant::now();
    for _ in 0..CALLS {
        call(next_key()).await;
    }
    begin.elapsed() / CALLS
}

fn next_key() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static NEXT: AtomicU64 = AtomicU64::new(1 << 32);
    NEXT.fetch_add(1, Relaxed)
}

/// How long tasks take to read all values together.
pub(crate) async fn time_of_many<T, F>(
    callers: u32,
    reader: &T,
    call: impl Fn(T, u64) -> F + Copy + Send + 'static,
) -> Duration
where
    T: Clone + Send + Sync + 'static,
    F: Future<Output: Send> + Send,
{
    let mut tasks = JoinSet::new();
    let begin = Instant::now();
    for caller in 0..u64::from(callers) {
        let reader = reader.clone();
        tasks.spawn(async move {
            for n in 0..u64::from(VALUES / callers) {
                // Keys of its own: no two callers share a read.
                call(reader.clone(), caller * 4 + n % 4).await;
            }
        });
    }
    tasks.join_all().await;
    begin.elapsed()
}

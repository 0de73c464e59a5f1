//! What it costs when many callers ask at once for what is in no cache: time, memory and loads, by caller.
//!
//! `cargo run --release` prints a table for 10,000 callers of one key, and one for a million callers of 1,000 keys. Each caller is a
//! task of one runtime on one thread, and a load takes [`LOAD`], which passes while nobody computes.

use std::{
    fmt,
    future::Future,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use allocation_counter::measure;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

mod functions;

const LOAD: Duration = Duration::from_millis(50);
const ROUNDS: usize = 5;

static LOADS: AtomicU64 = AtomicU64::new(0);

/// What is loaded for a key.
async fn load(key: u64) -> u64 {
    LOADS.fetch_add(1, Relaxed);
    tokio::time::sleep(LOAD).await;
    key
}

/// One way to cache the load.
struct Variant {
    title: &'static str,
    /// Has each key asked for, all at once.
    run: fn(&[u64]),
}

/// What one caller cost.
struct Cost {
    cpu_nanos: f64,
    bytes: f64,
    loads: u64,
    wall: Duration,
}

/// Has each key asked for by a task of its own, all at once.
fn run<F: Future<Output = u64> + Send + 'static>(keys: &[u64], call: impl Fn(u64) -> F) {
    runtime().block_on(async {
        let callers: Vec<_> = keys.iter().map(|key| tokio::spawn(call(*key))).collect();
        for (caller, key) in callers.into_iter().zip(keys) {
            let value = caller.await.expect("no caller panics");
            assert_eq!(value, *key);
        }
    });
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime without I/O asks the system for nothing")
}

fn thread_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes and nanoseconds stay far below 2^52"
)]
fn cost(variant: &Variant, keys: &[u64]) -> Cost {
    let loads = LOADS.load(Relaxed);
    let (wall, cpu) = (Instant::now(), thread_nanos());
    let memory = measure(|| (variant.run)(keys));
    let callers = keys.len() as f64;
    Cost {
        cpu_nanos: (thread_nanos() - cpu) as f64 / callers,
        bytes: memory.bytes_max as f64 / callers,
        loads: LOADS.load(Relaxed) - loads,
        wall: wall.elapsed(),
    }
}

/// Keys that nobody has asked for, so many times each, in turn.
fn keys(callers: u64, keys: u64) -> Vec<u64> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let first = NEXT.fetch_add(keys, Relaxed);
    (0..callers).map(|caller| first + caller % keys).collect()
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8.0} | {:>8.0} | {:>7} | {:>8.0}",
            self.cpu_nanos,
            self.bytes,
            self.loads,
            self.wall.as_secs_f64() * 1e3
        )
    }
}

fn main() {
    for (callers, distinct) in [(10_000, 1), (1_000_000, 1_000)] {
        println!("### {callers} callers of {distinct} keys\n");
        println!(
            "| {:<55} | CPU ns / caller | bytes / caller | loads | wall ms |",
            ""
        );
        println!(
            "|:{:-<56}|----------------:|---------------:|------:|--------:|",
            ""
        );
        let variants = functions::all();
        let mut costs: Vec<Vec<Cost>> = variants.iter().map(|_| Vec::new()).collect();
        for round in 0..ROUNDS {
            for turn in 0..variants.len() {
                let at = (round + turn) % variants.len();
                costs[at].push(cost(&variants[at], &keys(callers, distinct)));
            }
        }
        for (variant, mut costs) in variants.iter().zip(costs) {
            costs.sort_by(|one, other| one.cpu_nanos.total_cmp(&other.cpu_nanos));
            println!("| {:<55} | {} |", variant.title, costs[ROUNDS / 2]);
        }
        println!();
    }
}

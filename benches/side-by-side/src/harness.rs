//! Measures variants against each other: in rounds, in turn, so that what disturbs the machine
//! disturbs all of them; of each the median.

use std::{
    hint::black_box,
    sync::Barrier,
    thread::{self, ScopedJoinHandle},
    time::Instant,
};

use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::runtime::{Builder, Runtime};

use crate::{clock::thread_time, load};

/// Who wrote a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The least that a hit can cost.
    Floor,
    /// The least that a safe hit costs in code written for one function.
    ByHand,
    /// This project.
    Ours,
    /// A macro of somebody else, whose entries expire.
    Macro,
    /// All else.
    Other,
}

/// What a call of all variants of a scenario does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Hit,
    Miss,
}

/// What a variant is called, on the command line and in the report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    pub(crate) role: Role,
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
}

/// Calls a function with each of its keys, as many times as it is told.
type Passes = Box<dyn Fn(&Runtime, usize) + Send + Sync>;

/// One way to cache a function.
pub(crate) struct Variant {
    pub(crate) label: Label,
    passes: Passes,
}

/// Variants that are called with the same keys.
pub(crate) struct Variants<K: 'static> {
    keys: &'static [K],
    all: Vec<Variant>,
}

impl<K: Copy + Sync> Variants<K> {
    pub(crate) fn of(keys: &'static [K]) -> Self {
        let all = Vec::new();
        Self { keys, all }
    }

    pub(crate) fn with<V, F>(mut self, label: Label, call: F) -> Self
    where
        F: AsyncFn(K) -> V + Send + Sync + 'static,
    {
        let keys = self.keys;
        let passes = Box::new(move |runtime: &Runtime, passes| {
            runtime.block_on(async {
                for _ in 0..passes {
                    for key in keys {
                        black_box(call(black_box(*key)).await);
                    }
                }
            });
        });
        self.all.push(Variant { label, passes });
        self
    }

    pub(crate) fn scenario(self, id: &'static str, title: &'static str, call: Call) -> Scenario {
        Scenario {
            id,
            title,
            call,
            threads: 1,
            goal: None,
            keys: self.keys.len(),
            variants: self.all,
        }
    }
}

/// Variants that do the same thing.
pub(crate) struct Scenario {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) call: Call,
    /// Threads that call at the same time.
    pub(crate) threads: usize,
    /// How many times the hand-written variant ours may cost.
    pub(crate) goal: Option<f64>,
    /// Calls of one pass.
    pub(crate) keys: usize,
    pub(crate) variants: Vec<Variant>,
}

/// Nanoseconds of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// What a thread used of its core: blind to what else the machine does, and to waiting.
    pub(crate) cpu: f64,
    /// What passed until the last thread was done.
    pub(crate) wall: f64,
}

impl Scenario {
    /// The part of a cost that variants are compared by: threads that wait for each other show on
    /// the wall only.
    pub(crate) fn nanos_of(&self, cost: Cost) -> f64 {
        if self.threads == 1 {
            cost.cpu
        } else {
            cost.wall
        }
    }

    /// The cost of a call in each variant.
    ///
    /// # Panics
    ///
    /// When a hit loaded, or a miss did not.
    pub(crate) fn measure(&self, rounds: usize, calls: usize) -> Vec<Cost> {
        // Threads start some 100 µs apart: it takes more calls until that does not matter.
        let calls = if self.threads > 1 { calls * 5 } else { calls };
        let mut samples: Vec<Vec<Cost>> = self.variants.iter().map(|_| Vec::new()).collect();
        for variant in &self.variants {
            self.sample(variant, calls);
        }
        for round in 0..rounds {
            for turn in 0..self.variants.len() {
                let at = (round + turn) % self.variants.len();
                samples[at].push(self.sample(&self.variants[at], calls));
            }
        }
        samples.iter().map(|samples| median(samples)).collect()
    }

    /// Runs one variant, at least `calls` times, and says how often exactly.
    pub(crate) fn run(&self, variant: &Variant, calls: usize) -> usize {
        self.sample(variant, calls);
        self.passes(calls) * self.keys
    }

    fn passes(&self, calls: usize) -> usize {
        calls.div_ceil(self.keys)
    }

    fn sample(&self, variant: &Variant, calls: usize) -> Cost {
        let passes = self.passes(calls);
        // Twice: when each thread has filled the cache, and when the loads until then are counted.
        let barrier = Barrier::new(self.threads + 1);
        let (costs, loads) = thread::scope(|scope| {
            let work = |core| {
                if self.threads > 1 {
                    stay_on(core);
                }
                let runtime = runtime();
                (variant.passes)(&runtime, 1);
                barrier.wait();
                barrier.wait();
                Cost::of(|| (variant.passes)(&runtime, passes))
            };
            let threads: Vec<_> = (0..self.threads)
                .map(|core| scope.spawn(move || work(core)))
                .collect();
            barrier.wait();
            let before = load::loads();
            barrier.wait();
            let costs = threads.into_iter().map(ScopedJoinHandle::join);
            let costs: Vec<_> = costs.map(|cost| cost.expect("no variant panics")).collect();
            (costs, load::loads() - before)
        });
        let (threads, calls) = (self.threads as u64, (passes * self.keys) as u64);
        let expected = match self.call {
            Call::Hit => 0,
            Call::Miss => threads * calls,
        };
        assert_eq!(loads, expected, "loads of `{}`", variant.label.id);
        Cost {
            cpu: costs.iter().map(|cost| cost.cpu).sum::<f64>() / exact(threads * calls),
            wall: costs.iter().map(|cost| cost.wall).fold(0.0, f64::max) / exact(calls),
        }
    }
}

/// Keeps this thread on one core, where the system allows it: left to itself the scheduler may run
/// two short threads one after the other on the same core, and they never meet.
fn stay_on(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    let _ = sched_setaffinity(None, &cores);
}

/// A runtime of the current thread.
pub(crate) fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime without I/O asks the system for nothing")
}

impl Cost {
    /// The cost of some work as a whole.
    fn of(work: impl FnOnce()) -> Self {
        let (start, cpu) = (Instant::now(), thread_time());
        work();
        let (cpu, wall) = (thread_time() - cpu, start.elapsed());
        Self {
            cpu: exact(cpu),
            wall: wall.as_secs_f64() * 1e9,
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "calls and nanoseconds stay far below 2^52"
)]
fn exact(number: u64) -> f64 {
    number as f64
}

fn median(samples: &[Cost]) -> Cost {
    let of = |part: fn(&Cost) -> f64| {
        let mut parts: Vec<f64> = samples.iter().map(part).collect();
        parts.sort_by(f64::total_cmp);
        parts[parts.len() / 2]
    };
    Cost {
        cpu: of(|cost| cost.cpu),
        wall: of(|cost| cost.wall),
    }
}

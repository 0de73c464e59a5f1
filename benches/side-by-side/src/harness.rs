//! Measures variants against each other: in rounds, in turn, so that what disturbs the machine
//! disturbs all of them; of each the median.

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

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

/// One way to cache a function.
pub(crate) struct Variant {
    pub(crate) label: Label,
    /// Calls with each of the keys, that many times.
    passes: Box<dyn Fn(&Runtime, usize) + Send + Sync>,
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
    keys: usize,
    pub(crate) variants: Vec<Variant>,
}

/// Nanoseconds of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) cpu: f64,
    pub(crate) wall: f64,
}

impl Scenario {
    /// The cost of a call in each variant.
    ///
    /// # Panics
    ///
    /// When a hit loaded, or a miss did not.
    pub(crate) fn measure(&self, rounds: usize, calls: usize) -> Vec<Cost> {
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
        // One for the threads to start together, after each has filled the cache.
        let barrier = Barrier::new(self.threads + 1);
        let (times, loads) = thread::scope(|scope| {
            let timed = || {
                let runtime = Builder::new_current_thread()
                    .enable_time()
                    .build()
                    .expect("a runtime without I/O asks the system for nothing");
                (variant.passes)(&runtime, 1);
                barrier.wait();
                barrier.wait();
                time(|| (variant.passes)(&runtime, passes))
            };
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(timed)).collect();
            barrier.wait();
            let before = load::loads();
            barrier.wait();
            let times: Vec<_> = threads
                .into_iter()
                .map(|thread| thread.join().expect("no variant panics"))
                .collect();
            (times, load::loads() - before)
        });
        let calls = passes * self.keys;
        let expected = match self.call {
            Call::Hit => 0,
            Call::Miss => calls * self.threads,
        };
        assert_eq!(loads, expected as u64, "loads of `{}`", variant.label.id);
        Cost::of(&times, calls)
    }
}

fn time(work: impl FnOnce()) -> (Duration, Duration) {
    let (start, cpu) = (Instant::now(), thread_time());
    work();
    (Duration::from_nanos(thread_time() - cpu), start.elapsed())
}

impl Cost {
    /// The mean of the threads.
    fn of(times: &[(Duration, Duration)], calls: usize) -> Self {
        let all: (Duration, Duration) = times
            .iter()
            .fold((Duration::ZERO, Duration::ZERO), |sum, time| {
                (sum.0 + time.0, sum.1 + time.1)
            });
        let calls = (calls * times.len()) as f64;
        let per_call = |time: Duration| time.as_nanos() as f64 / calls;
        Self {
            cpu: per_call(all.0),
            wall: per_call(all.1),
        }
    }
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

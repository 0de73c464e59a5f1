//! What the cache did for one future: the answer to "why did this request take so long".

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    cache::Cache,
    call,
    context::{self, Act},
    event::Tag,
    explain::{Explained, Trace},
    lock::Mutex,
};

/// More are counted, not kept.
const MOST_STEPS: usize = 10_000;

impl Cache {
    /// Runs a future in the scope of this cache, and returns its output together with what the cache did: each call of
    /// a cached function, which tier answered it, why the faster ones did not, and how long it took; and each event.
    ///
    /// Calls and events within the loads of these calls are included. Tasks that the future spawns are not, unless they
    /// run under a trace of their own. Calls of a handle are included if they have an output.
    ///
    /// A traced call costs about a microsecond more, and a call of many keys reads and loads fewer of them together;
    /// the output is the same.
    ///
    /// ```
    /// use cache_core::{Cache, Source, cached};
    ///
    /// #[cached(ttl = 5m)]
    /// async fn price(product: u64) -> u64 {
    ///     product * 100
    /// }
    ///
    /// #[cached(ttl = 1m)]
    /// async fn total(products: &[u64]) -> u64 {
    ///     let mut total = 0;
    ///     for product in products {
    ///         total += price(*product).await;
    ///     }
    ///     total
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// price(1).await;
    /// let traced = Cache::current().trace(total(&[1, 2])).await;
    /// assert_eq!(traced.value, 300);
    /// let sources: Vec<_> = traced.calls().map(|call| call.source).collect();
    /// assert_eq!(sources, [Source::Load, Source::Memory, Source::Load]);
    /// println!("{traced}"); // 3 calls: 1 from memory, 2 loaded ..
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// That of the future.
    pub fn trace<F: Future>(&self, future: F) -> impl Future<Output = Traced<F::Output>> + use<F> {
        let recorder = Arc::new(Recorder {
            act: call::act,
            steps: Mutex::default(),
        });
        Tracing {
            recorder,
            future: Self::scope(self.clone(), future),
        }
    }
}

/// The output of a future, and what the cache did for it.
///
/// [`Display`](fmt::Display) shows it as text, a line for each step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traced<T> {
    /// The output of the future.
    pub value: T,
    /// The steps, in the order in which they began.
    pub steps: Vec<Step>,
    /// How many more there were: the first 10,000 are kept.
    pub left_out: u64,
}

impl<T> Traced<T> {
    /// The calls that were answered.
    pub fn calls(&self) -> impl Iterator<Item = &Explained<()>> {
        self.steps.iter().filter_map(|step| match step {
            Step::Call { call, .. } => Some(call),
            Step::Unfinished { .. } | Step::Emitted { .. } => None,
        })
    }
}

/// One thing that the cache did for a future.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// A call of a cached function.
    #[non_exhaustive]
    Call {
        /// Who answered it, and why.
        call: Explained<()>,
        /// The cached function whose load made it, where one did.
        within: Option<String>,
    },
    /// A call without an answer by then: it was dropped, or panicked, or had none to give.
    #[non_exhaustive]
    Unfinished {
        /// The cached function.
        function: String,
        /// The key of the call.
        key: String,
        /// The cached function whose load made it, where one did.
        within: Option<String>,
    },
    /// Something changed.
    #[non_exhaustive]
    Emitted {
        /// What: `UserChanged:7` is a change of the user 7, and `UserChanged` one of all users at once.
        events: Vec<String>,
        /// Whether Redis had acknowledged it before its caller went on; without Redis, whether it was done.
        is_acknowledged: bool,
    },
}

impl<T> fmt::Display for Traced<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.calls().count();
        write!(f, "{all} calls")?;
        let mut sources: Vec<_> = self.calls().map(|call| call.source).collect();
        sources.sort_unstable_by_key(|source| *source as u8);
        for (place, same) in sources.chunk_by(|a, b| a == b).enumerate() {
            let mark = if place == 0 { ": " } else { ", " };
            write!(f, "{mark}{} {}", same.len(), same[0])?;
        }
        for step in &self.steps {
            write!(f, "\n{step}")?;
        }
        if self.left_out > 0 {
            write!(f, "\nand {} more", self.left_out)?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = match self {
            Self::Call { within, .. } | Self::Unfinished { within, .. } => within.as_deref(),
            Self::Emitted { .. } => None,
        };
        if let Some(within) = within {
            write!(f, "  in `{within}`: ")?;
        }
        match self {
            Self::Call { call, .. } if call.took.is_zero() => call.fmt(f),
            Self::Call { call, .. } => write!(f, "{call}, took {:.1?}", call.took),
            Self::Unfinished { function, key, .. } => {
                write!(f, "`{function}` for `{key}`: no answer")
            }
            Self::Emitted {
                events,
                is_acknowledged,
            } => {
                let end = if *is_acknowledged { "" } else { ", on its way" };
                write!(f, "emitted `{}`{end}", events.join("`, `"))
            }
        }
    }
}

/// Where the steps are noted.
pub(crate) struct Recorder {
    /// Explains a call. A pointer that only traces hold, as those of handles.
    pub(crate) act: Act,
    steps: Mutex<Steps>,
}

#[derive(Default)]
struct Steps {
    steps: Vec<Step>,
    left_out: u64,
}

impl Steps {
    /// Where it was put.
    fn add(&mut self, step: Step) -> Option<usize> {
        if self.steps.len() >= MOST_STEPS {
            self.left_out += 1;
            return None;
        }
        self.steps.push(step);
        Some(self.steps.len() - 1)
    }
}

impl Recorder {
    /// A call begins.
    pub(crate) fn begin(self: &Arc<Self>, function: &str, key: &str) -> Recording {
        let within = context::load().map(|load| load.site().name.clone());
        let step = Step::Unfinished {
            function: function.to_owned(),
            key: key.to_owned(),
            within,
        };
        Recording {
            recorder: Arc::clone(self),
            place: self.steps.lock().add(step),
        }
    }

    /// These were emitted.
    pub(crate) fn emitted(&self, tags: &[Tag], is_acknowledged: bool) {
        let events = tags.iter().filter_map(Tag::emitted).collect();
        let step = Step::Emitted {
            events,
            is_acknowledged,
        };
        self.steps.lock().add(step);
    }
}

/// A call that is being answered.
pub(crate) struct Recording {
    recorder: Arc<Recorder>,
    place: Option<usize>,
}

impl Recording {
    pub(crate) fn end(self, trace: &Trace) {
        let mut steps = self.recorder.steps.lock();
        let step = self.place.and_then(|place| steps.steps.get_mut(place));
        if let Some(step) = step
            && let Step::Unfinished { within, .. } = step
        {
            *step = Step::Call {
                within: within.take(),
                call: trace.clone().explain(()),
            };
        }
    }
}

pin_project_lite::pin_project! {
    /// A future whose steps are noted.
    struct Tracing<F> {
        recorder: Arc<Recorder>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Tracing<F> {
    type Output = Traced<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = context::recording(this.recorder, || this.future.poll(cx));
        polled.map(|value| {
            let steps = std::mem::take(&mut *this.recorder.steps.lock());
            Traced {
                value,
                steps: steps.steps,
                left_out: steps.left_out,
            }
        })
    }
}

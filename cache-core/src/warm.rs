//! Warming: many calls, some at once, before anybody waits for them.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::task::consume_budget;

use crate::{
    cache::Cache,
    context::Scoped,
    explain::{Source, Trace},
    handle::{NotCached, outcome_of},
};

/// How many calls run at once unless said.
const AT_ONCE: usize = 16;

impl Cache {
    /// Describes calls of cached functions to make before any caller waits for their values; [`run`](Warming::run)
    /// makes them.
    ///
    /// Some run at once, in the task that awaits them, like any other call in the scope of this cache: fresh values are
    /// not loaded again, and loads are shared with other callers.
    ///
    /// ```
    /// # use cache_core::{Cache, cached};
    /// #[cached(ttl = 1h)]
    /// async fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cache_core::Error> {
    /// let cache = Cache::builder().build().await?;
    /// let warmed = cache
    ///     .warm((0..100).map(square))
    ///     .at_once(8)
    ///     .on_progress(|so_far| println!("{so_far}"))
    ///     .run()
    ///     .await;
    /// assert_eq!((warmed.loaded, warmed.failed), (100, 0));
    /// # Ok(())
    /// # }
    /// ```
    pub fn warm<I>(&self, calls: I) -> Warming<I::IntoIter>
    where
        I: IntoIterator<Item: Future<Output: 'static>>,
    {
        Warming {
            cache: self.clone(),
            calls: calls.into_iter(),
            at_once: AT_ONCE,
            progress: None,
        }
    }
}

/// Whoever wants to know how it goes.
type Tell = Box<dyn FnMut(&Warmed) + Send>;

/// Calls to be made, by [`Cache::warm`].
#[must_use = "calls are made by `run`"]
pub struct Warming<I> {
    cache: Cache,
    calls: I,
    at_once: usize,
    progress: Option<Tell>,
}

impl<I> fmt::Debug for Warming<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warming")
            .field("at_once", &self.at_once)
            .finish_non_exhaustive()
    }
}

impl<I> Warming<I> {
    /// How many calls run at once; at least 1. Default: 16. A function's `max_concurrent_loads` still applies.
    pub fn at_once(mut self, calls: usize) -> Self {
        self.at_once = calls.max(1);
        self
    }

    /// Reports after each call how warming goes: for a progress bar, or a log.
    pub fn on_progress(mut self, tell: impl FnMut(&Warmed) + Send + 'static) -> Self {
        self.progress = Some(Box::new(tell));
        self
    }
}

impl<I: Iterator<Item: Future<Output: 'static>>> Warming<I> {
    /// Makes the calls, and reports how that went.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped half way, no further call begins. Detached loads that have begun run on and are kept; inline
    /// ones end.
    ///
    /// # Panics
    ///
    /// If a call panics: the first one that does ends it.
    pub async fn run(mut self) -> Warmed {
        let (least, most) = self.calls.size_hint();
        let mut warmed = Warmed {
            total: most.filter(|most| *most == least),
            ..Warmed::default()
        };
        let mut running = Vec::new();
        loop {
            while running.len() < self.at_once
                && let Some(call) = self.calls.next()
            {
                let call = Scoped::new(self.cache.clone(), outcome_of(call));
                running.push(Box::pin(call));
            }
            if running.is_empty() {
                return warmed;
            }
            let ended = poll_fn(|cx| first_of(&mut running, cx)).await;
            // Calls that memory answers wait for nothing: others in this runtime have their turn all the same.
            consume_budget().await;
            warmed.count(ended);
            if let Some(tell) = &mut self.progress {
                tell(&warmed);
            }
        }
    }
}

/// The output of the first future that has ended, which leaves.
fn first_of<F: Future>(running: &mut Vec<Pin<Box<F>>>, cx: &mut Context<'_>) -> Poll<F::Output> {
    for place in 0..running.len() {
        if let Poll::Ready(output) = running[place].as_mut().poll(cx) {
            drop(running.swap_remove(place));
            return Poll::Ready(output);
        }
    }
    Poll::Pending
}

/// How warming went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warmed {
    /// How many calls there are, if that is known before the last.
    pub total: Option<usize>,
    /// Calls that ran the body, or waited for the load, or the read of Redis, of another call.
    pub loaded: usize,
    /// Calls that memory answered.
    pub in_memory: usize,
    /// Calls that Redis answered.
    pub in_redis: usize,
    /// Calls that a strategy answered with a stale value: its successor is being loaded in the background, or could not
    /// be loaded, or [`background_limit`](crate::CacheBuilder::background_limit) had no room for it.
    pub stale: usize,
    /// Calls that returned an error.
    pub failed: usize,
    /// Calls that reached no cached function, whose cache is off, or that were for many keys and had none.
    pub uncached: usize,
}

impl Warmed {
    /// Calls that have ended.
    #[must_use]
    pub fn done(&self) -> usize {
        let answered = self.loaded + self.in_memory + self.in_redis + self.stale;
        answered + self.failed + self.uncached
    }

    fn count(&mut self, ended: Result<Trace, NotCached>) {
        let counter = match ended {
            Ok(trace) if trace.has_failed => &mut self.failed,
            Ok(trace) if trace.stale.is_some() => &mut self.stale,
            Ok(trace) => match trace.source {
                Source::Memory => &mut self.in_memory,
                Source::Redis => &mut self.in_redis,
                Source::Load | Source::SharedLoad => &mut self.loaded,
                Source::Uncached => &mut self.uncached,
            },
            Err(NotCached) => &mut self.uncached,
        };
        *counter += 1;
    }
}

/// In one line.
impl fmt::Display for Warmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.done())?;
        if let Some(total) = self.total {
            write!(f, " of {total}")?;
        }
        write!(
            f,
            " calls: {} loaded, {} in memory, {} in Redis, {} stale, {} failed, {} not cached",
            self.loaded, self.in_memory, self.in_redis, self.stale, self.failed, self.uncached
        )
    }
}

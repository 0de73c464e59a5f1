//! The call as its own handle: refresh, evict, peek, put, bypass, prefetch, explain.

use std::{
    any::{Any, TypeId},
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use crate::{
    call,
    context::{self, Ask, By, Question, Reply},
    explain::{Explained, Trace},
};

/// What can be done with a call of a cached function instead of awaiting it.
///
/// It acts on the first cached function that the future reaches in its first poll and that returns what the future
/// returns: the function itself, or the one to which it passes its call on. If there is none, the result is
/// [`NotCached`] ([`peek`](Self::peek): `None`), and the future is dropped after its first poll. Code in that poll has
/// run by then: a future that never waits runs to its end.
///
/// In a future with more than one call:
///
/// - Cached functions of other types are called as usual. If one has to wait, the first poll ends there.
/// - If the handle has an output, the future continues after the function as usual: it may change the output, and load
///   what it calls next, even under `peek`. `evict`, `put` and `prefetch`, and a `peek` that finds nothing, end there,
///   and a value that is `put` becomes the function's.
///
/// A handle that is dropped before its first poll has done nothing. The guide to
/// [batches](crate::guide::strategies#batches) says what handles mean for a function of many keys.
///
/// ```
/// use cache_core::{CachedCall, NotCached, cached};
///
/// #[cached(ttl = 5m)]
/// async fn user(id: u64) -> Option<String> {
///     (id == 7).then(|| "Ada".to_owned())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), NotCached> {
/// assert_eq!(user(7).peek().await, None); // never loads
/// user(7).put(Some("Grace".to_owned())).await?;
/// assert_eq!(user(7).await.as_deref(), Some("Grace"));
/// assert_eq!(user(7).refresh().await?.as_deref(), Some("Ada"));
/// user(7).evict().await?;
/// println!("{}", user(7).explain().await?); // `..::user` for `7`: loaded because there was no entry, ..
/// # Ok(())
/// # }
/// ```
pub trait CachedCall: Future<Output: 'static> + Sized {
    /// The value, if memory or Redis has a fresh one. It never loads, keeps nothing in memory, and waits for Redis
    /// within its budget.
    ///
    /// # Cancel safety
    ///
    /// Safe: it changes nothing, and no other caller waits for what it reads.
    fn peek(self) -> impl Future<Output = Option<Self::Output>> {
        let asked = HandleFuture::new(self, Ask::Peek);
        async move {
            match asked.await {
                Ok(Answered::Output(output, _)) => Some(output),
                Ok(Answered::Done) | Err(NotCached) => None,
            }
        }
    }

    /// Loads now without looking in either tier, replaces the entry in both and returns the value. A load that fails
    /// leaves them as they are.
    ///
    /// Loads of this key that began earlier are not kept, and each refresh is a load of its own. Once Redis has the new
    /// value, other processes get a message to drop their entry in memory; it may be lost, see `evict`.
    ///
    /// If `clear` or a later refresh overtakes this one, the value is returned but not kept; the old entry is removed
    /// all the same.
    ///
    /// # Errors
    ///
    /// [`NotCached`] when the call reaches no cached function.
    ///
    /// # Cancel safety
    ///
    /// A detached load that has begun runs on, for a minute at least, and replaces the entry. If it still waits for one
    /// of the `max_concurrent_loads`, it never begins, and an inline load ends: a caller that waits for it loads in its
    /// place, otherwise the old entry stays. In any case loads that began earlier are not kept.
    fn refresh(self) -> impl Future<Output = Result<Self::Output, NotCached>> {
        output_of(HandleFuture::new(self, Ask::Refresh))
    }

    /// Removes the entry in both tiers. Loads of this key that began earlier are not kept.
    ///
    /// It waits for Redis to remove the entry, within its budget. If Redis does not answer in time, the removal is sent
    /// later, and until then this process does not read that entry. At most 65,536 removals wait; the other entries
    /// stay in Redis for their `ttl`, and this process reads nothing there that is older.
    ///
    /// Other processes get a message to drop their entry in memory, and what they are loading. A lost message is not
    /// sent again: use [events](crate::Event) for values that must not be stale.
    ///
    /// # Errors
    ///
    /// [`NotCached`] when the call reaches no cached function.
    ///
    /// # Cancel safety
    ///
    /// The first poll does it, for memory and for all that this process reads. The rest is the wait for Redis, which
    /// gets the removal all the same.
    fn evict(self) -> impl Future<Output = Result<(), NotCached>> {
        done(HandleFuture::new(self, Ask::Evict))
    }

    /// Keeps `output` in both tiers as if the body had just returned it; it keeps nothing that a load would not keep.
    /// It does not wait for Redis. Other processes get a message to drop their entry in memory, as by `evict`.
    ///
    /// In Redis it replaces the entry only if the function has no events. With events, nobody knows under which
    /// versions the value was read, so the entry there is removed, and other processes load.
    ///
    /// It counts as loaded now. So put no value that was read before an event that may have come since, such as one
    /// that a mutation returned while another one ran. After a mutation, [`evict`](Self::evict) or nothing at all is as
    /// good, and never wrong.
    ///
    /// Nobody knows what the value depends on. A function that `inherits` keeps nothing that is put, and its entry is
    /// removed: the next call loads. Values that other cached functions with events build from it are kept no longer
    /// than it.
    ///
    /// # Errors
    ///
    /// [`NotCached`] when the call reaches no cached function.
    ///
    /// # Cancel safety
    ///
    /// The first poll does it: it waits for nothing, and the change is sent to Redis all the same.
    fn put(self, output: Self::Output) -> impl Future<Output = Result<(), NotCached>>
    where
        Self::Output: Send,
    {
        let output: Box<dyn Any + Send> = Box::new(Some(output));
        done(HandleFuture::new(self, Ask::Put(Some(output))))
    }

    /// Runs the body and touches no tier. Cached functions that it calls answer as usual, even with values that a load
    /// would not use, such as an invalid one that `stale_if_invalidated` serves.
    ///
    /// # Errors
    ///
    /// [`NotCached`] when the call reaches no cached function.
    ///
    /// # Cancel safety
    ///
    /// As that of the body, which is dropped half way even if loads are detached. No other call notices.
    fn bypass(self) -> impl Future<Output = Result<Self::Output, NotCached>> {
        output_of(HandleFuture::new(self, Ask::Bypass))
    }

    /// Reads Redis or loads, in the background, if memory has no fresh entry. A function whose loads run inline loads
    /// before this returns.
    ///
    /// If another call is already reading or loading, nothing more begins, unless that call is dropped half way: then
    /// this one takes its place, and begins what the other did not finish. It does not take its place if loads run
    /// inline, or if the other's load fails.
    ///
    /// # Errors
    ///
    /// [`NotCached`] when the call reaches no cached function. What the load itself returns is not reported.
    ///
    /// # Cancel safety
    ///
    /// If loads are detached, its first poll does everything, and what it began runs on. An inline load, or its read of
    /// Redis, ends, and the next caller loads.
    fn prefetch(self) -> impl Future<Output = Result<(), NotCached>> {
        done(HandleFuture::new(self, Ask::Prefetch(By::Hand)))
    }

    /// The value, where it came from, and why neither memory nor Redis answered. Explaining a hit takes about a
    /// microsecond: it writes the key as text and reads the clock again.
    ///
    /// ```
    /// # use cache_core::{Cache, CachedCall, Source, cached};
    /// #[cached(ttl = 5m)]
    /// async fn parsed(text: &str) -> Result<u64, std::num::ParseIntError> {
    ///     text.parse()
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let explained = parsed("12").explain().await?;
    /// assert_eq!((explained.source, &*explained.key), (Source::Load, "12"));
    /// assert_eq!(explained.value?, 12);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotCached`] when the call reaches no cached function.
    ///
    /// # Cancel safety
    ///
    /// As that of the call itself: a detached load that has begun runs on, for a minute at least, and its value is kept.
    /// If the call is dropped before that, while it reads Redis, or while its load runs inline, the next waiting caller
    /// takes over; if nobody waits, nothing is kept. A load that it only waits for goes on.
    fn explain(self) -> impl Future<Output = Result<Explained<Self::Output>, NotCached>> {
        let asked = HandleFuture::new(self, Ask::Explain);
        async move {
            match asked.await? {
                Answered::Output(output, Some(trace)) => Ok(trace.explain(output)),
                Answered::Output(_, None) | Answered::Done => Err(NotCached),
            }
        }
    }
}

impl<F: Future<Output: 'static>> CachedCall for F {}

/// A handle was used on a future that reached no cached function with its return type when it was
/// polled first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotCached;

impl fmt::Display for NotCached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "this call reached no cached function that returns its type before it first waited: call a function under `#[cached]` directly",
        )
    }
}

impl std::error::Error for NotCached {}

/// Whether the call that is about to begin begins another one: not one that is itself a prefetch, or part of its load, nor
/// one that a handle makes.
#[must_use]
pub fn may_prefetch() -> bool {
    !context::is_prefetching() && !context::is_asked()
}

/// Begins a call in the background, unless this call is itself one that was begun so, or is not simply awaited.
pub fn prefetch<F: Future<Output: 'static>>(may_prefetch: bool, call: impl FnOnce() -> F) {
    if !may_prefetch {
        return;
    }
    let begun = std::pin::pin!(HandleFuture::new(call(), Ask::Prefetch(By::Option)));
    // Where the load is detached, all is done with the first poll; where it is not, nothing is begun.
    let _ = context::prefetching(true, || begun.poll(&mut Context::from_waker(Waker::noop())));
}

/// How a call is answered.
pub(crate) async fn outcome_of<F: Future<Output: 'static>>(call: F) -> Result<Trace, NotCached> {
    match HandleFuture::new(call, Ask::Warm).await? {
        Answered::Output(_, Some(trace)) => Ok(trace),
        Answered::Output(_, None) | Answered::Done => Err(NotCached),
    }
}

async fn output_of<F: Future<Output: 'static>>(
    asked: HandleFuture<F>,
) -> Result<F::Output, NotCached> {
    match asked.await? {
        Answered::Output(output, _) => Ok(output),
        Answered::Done => Err(NotCached),
    }
}

async fn done<F: Future<Output: 'static>>(asked: HandleFuture<F>) -> Result<(), NotCached> {
    asked.await.map(|_| ())
}

/// How a question was answered.
enum Answered<T> {
    Output(T, Option<Trace>),
    Done,
}

pin_project_lite::pin_project! {
    /// A call with a question for the cached function in it.
    struct HandleFuture<F> {
        #[pin]
        call: F,
        question: Option<Question>,
        reply: Reply,
    }
}

impl<F: Future<Output: 'static>> HandleFuture<F> {
    fn new(call: F, ask: Ask) -> Self {
        let reply = Reply::default();
        let question = Question {
            output: TypeId::of::<F::Output>(),
            ask,
            reply: reply.clone(),
            record: None,
            act: call::act,
        };
        Self {
            call,
            question: Some(question),
            reply,
        }
    }
}

impl<F: Future> Future for HandleFuture<F> {
    type Output = Result<Answered<F::Output>, NotCached>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = match this.question.take() {
            Some(question) => context::asking(question, || this.call.poll(cx)),
            None => this.call.poll(cx),
        };
        this.reply.with(|reply| match polled {
            _ if !reply.is_taken => Poll::Ready(Err(NotCached)),
            Poll::Ready(output) => Poll::Ready(Ok(Answered::Output(output, reply.trace.take()))),
            Poll::Pending if reply.is_done => Poll::Ready(Ok(Answered::Done)),
            Poll::Pending => Poll::Pending,
        })
    }
}

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
    context::{self, Ask, Question, Reply},
    explain::{Explained, Trace},
};

/// What can be done with a call of a cached function instead of awaiting it.
///
/// It acts on the first cached function that the call reaches when it is polled first and that
/// returns what the future returns: the function itself, or the one it passes its call on to.
/// Anything else is [`NotCached`] ([`peek`](Self::peek): `None`), and the future is dropped after its first
/// poll. What runs in that poll has run: a future that never waits runs to its end.
///
/// So in a future of more than one call:
///
/// - Cached functions of other types are called as ever. One that has to wait ends the first poll.
/// - Where the handle has an output, the future goes on behind the function as ever: it may change the output, and
///   load what it calls next, under `peek` too. `evict`, `put` and `prefetch`, and a `peek` that finds nothing, go
///   no further, and what is `put` is the function's.
///
/// A handle that is dropped before its first poll has done nothing. What it means for a function of many keys, the guide to
/// [batches](crate::guide::strategies#batches) says.
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
    /// The value, if memory or Redis has one that is fresh. Never loads, and keeps nothing in memory. Waits
    /// for Redis within its budget.
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

    /// Loads now without a look at either tier, replaces the entry in both and gives the value. A load that
    /// fails leaves them as they are.
    ///
    /// Loads of this key that began before are not kept, and each refresh is a load of its own. Other processes are
    /// told to forget what they have in memory, once Redis has the new value: as well as it goes, see `evict`.
    ///
    /// One that `clear` or a later refresh overtakes gives its value, which is kept nowhere; what was there before is gone all
    /// the same.
    ///
    /// # Errors
    ///
    /// [`NotCached`] when the call reaches no cached function.
    ///
    /// # Cancel safety
    ///
    /// A detached load runs on once it has begun, and replaces the entry. One that still waits for one of the
    /// `max_concurrent_loads` never begins, and an inline one ends: a caller that waits for it loads in its place,
    /// else the old entry stays. Loads that began before are not kept in any case.
    fn refresh(self) -> impl Future<Output = Result<Self::Output, NotCached>> {
        output_of(HandleFuture::new(self, Ask::Refresh))
    }

    /// Removes the entry in both tiers. Loads of this key that began before are not kept.
    ///
    /// Waits until Redis was told, within its budget. What it could not be told is sent later, and until then
    /// this process does not read that entry. Of more than 65,536 that wait, the others stay in Redis for their `ttl`,
    /// and this process reads nothing there that is older.
    ///
    /// Other processes are told as well, and forget what they have in memory, and what they are loading. A message that
    /// is lost is not sent again: what must not be stale is a matter of [events](crate::Event).
    ///
    /// # Errors
    ///
    /// [`NotCached`] when the call reaches no cached function.
    ///
    /// # Cancel safety
    ///
    /// Done with the first poll, for memory and for all that this process reads: what follows is the wait for Redis,
    /// which is told all the same.
    fn evict(self) -> impl Future<Output = Result<(), NotCached>> {
        done(HandleFuture::new(self, Ask::Evict))
    }

    /// Keeps `output` in both tiers as if the body had just returned it: what a load would not keep, this
    /// does not. Nobody waits for Redis. Other processes are told to forget what they have in memory, as by `evict`.
    ///
    /// In Redis it takes the place of the entry only where the function has no events: nobody can say under which versions a
    /// value was read that somebody made. Else the entry there is removed, and others load.
    ///
    /// It counts as loaded now: put no value that was read before an event that may have come since, such as one that a mutation
    /// returned while another one ran. Behind a mutation [`evict`](Self::evict) or nothing at all is as good, and never wrong.
    ///
    /// Nobody can say what the value was made of. A function that `inherits` keeps nothing that is put, and its entry is removed: the
    /// next call loads. What other cached functions with events make of it is kept no longer than it.
    ///
    /// # Errors
    ///
    /// [`NotCached`] when the call reaches no cached function.
    ///
    /// # Cancel safety
    ///
    /// Done with the first poll: it waits for nothing, and Redis is told all the same.
    fn put(self, output: Self::Output) -> impl Future<Output = Result<(), NotCached>>
    where
        Self::Output: Send,
    {
        let output: Box<dyn Any + Send> = Box::new(Some(output));
        done(HandleFuture::new(self, Ask::Put(Some(output))))
    }

    /// Runs the body and touches no tier. Cached functions that it calls answer as ever: also with what a load would not be made
    /// of, such as a void value that `stale_if_invalidated` serves.
    ///
    /// # Errors
    ///
    /// [`NotCached`] when the call reaches no cached function.
    ///
    /// # Cancel safety
    ///
    /// As that of the body, which is dropped half way also where loads are detached. No other call notices.
    fn bypass(self) -> impl Future<Output = Result<Self::Output, NotCached>> {
        output_of(HandleFuture::new(self, Ask::Bypass))
    }

    /// Reads Redis or loads, in the background, if memory has no fresh entry. A function whose loads run inline loads
    /// before this returns.
    ///
    /// Where another call reads or loads already, nothing more is begun, unless that call is dropped half way: then
    /// this goes on in its place, and begins what it did not end. It does not where loads run inline, or where the
    /// other's load fails.
    ///
    /// # Errors
    ///
    /// [`NotCached`] when the call reaches no cached function. What the load itself returns is not told.
    ///
    /// # Cancel safety
    ///
    /// Where loads are detached, it is over with its first poll, and what it began runs on. An inline load, or its
    /// read of Redis, ends, and the next caller loads.
    fn prefetch(self) -> impl Future<Output = Result<(), NotCached>> {
        done(HandleFuture::new(self, Ask::Prefetch))
    }

    /// The value, where it came from, and why neither memory nor Redis answered. A hit that is explained takes about a
    /// microsecond: it writes the key as text and asks the clock again.
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
    /// As that of the call itself: a detached load runs on once it has begun and is kept. What is dropped before that,
    /// while it reads Redis, or while its load runs inline, is left to the next caller who waits; else nothing is
    /// kept. A load that it only waits for goes on.
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

/// Whether the call that is about to begin begins another one: not one that is itself a prefetch, nor one that a handle makes.
#[must_use]
pub fn may_prefetch() -> bool {
    !context::is_prefetching() && !context::is_asked()
}

/// Begins a call in the background, unless this call is itself one that was begun so, or is not simply awaited.
pub fn prefetch<F: Future<Output: 'static>>(may_prefetch: bool, call: impl FnOnce() -> F) {
    if !may_prefetch {
        return;
    }
    let begun = std::pin::pin!(HandleFuture::new(call(), Ask::Prefetch));
    // Where the load is detached, all is done with the first poll; where it is not, nothing is begun.
    let _ = context::prefetching(|| begun.poll(&mut Context::from_waker(Waker::noop())));
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

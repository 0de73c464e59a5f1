//! What the current poll is part of: a scope, a handle's question, a chain of loads.
//!
//! Thread-local, set for the length of one poll by the futures in this file, so that it follows a
//! future from thread to thread.

use std::{
    any::{Any, TypeId},
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

#[cfg(all(test, shuttled))]
use crate::thread_locals::{OfCell as _, OfRefCell as _};
use crate::{
    cache::Cache,
    call::{Body, BoxFuture, OpenCall},
    explain::Trace,
    flight::Load,
    lock::Mutex,
    spans::Shown,
    thread_locals::thread_local,
    traced::Recorder,
    value::Answer,
};

/// What a handle wants of the cached function it wraps.
pub(crate) enum Ask {
    Peek,
    Refresh,
    Evict,
    /// An output in an `Option`. Nothing once it has been taken.
    Put(Option<Box<dyn Any + Send>>),
    Bypass,
    Prefetch(By),
    Explain,
    /// The same, where who answers is all that matters.
    Warm,
}

impl Ask {
    /// Whether other processes are to forget what they have of the entry.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self, Self::Refresh | Self::Evict | Self::Put(_))
    }
}

/// Who begins a prefetch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Hand,
    /// An option of the function that was called.
    Option,
}

/// A question on its way to the first cached function that returns `output`.
pub(crate) struct Question {
    pub(crate) output: TypeId,
    pub(crate) ask: Ask,
    pub(crate) reply: Reply,
    /// The key, for those who are to be told of what is done to its entry.
    pub(crate) record: Option<String>,
    /// Does what is asked. A pointer that only handles hold: programs without one have no code for it.
    pub(crate) act: Act,
}

/// Answers a call; never, where a handle wants no answer.
pub(crate) type Act = for<'a> fn(OpenCall, Body<'a>) -> BoxFuture<'a, Answer>;

/// Where the engine leaves what the output alone does not say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply(Arc<Mutex<Replied>>);

#[derive(Debug, Default)]
pub(crate) struct Replied {
    /// A cached function took the question.
    pub(crate) is_taken: bool,
    /// There will be no output; the question is answered all the same.
    pub(crate) is_done: bool,
    pub(crate) trace: Option<Trace>,
}

impl Reply {
    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut Replied) -> R) -> R {
        change(&mut self.0.lock())
    }
}

#[derive(Default)]
struct Surroundings {
    scope: Option<Cache>,
    load: Option<Arc<Load>>,
    question: Option<Question>,
    recorder: Option<Arc<Recorder>>,
}

/// What a call has to look at of its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Nothing,
    /// Which cache it goes to.
    Scope,
    /// More than that: a question, a load that has to know what it is made of, or somebody who notes what is done.
    All,
}

thread_local! {
    /// Kept apart because a hit reads it.
    static SETTING: Cell<Setting> = const { Cell::new(Setting::Nothing) };
    static SURROUNDINGS: RefCell<Surroundings> = const {
        RefCell::new(Surroundings { scope: None, load: None, question: None, recorder: None })
    };
}

thread_local! {
    /// This poll only begins a call in the background, or is of the load of such a call.
    static IS_PREFETCHING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this poll only begins a call in the background, or is of the load of such a call.
pub(crate) fn is_prefetching() -> bool {
    IS_PREFETCHING.get()
}

/// Runs `poll`, which only begins a call in the background, or is of its load; or, where `is_prefetching` says no, is not.
pub(crate) fn prefetching<R>(is_prefetching: bool, poll: impl FnOnce() -> R) -> R {
    struct Ended(bool);
    impl Drop for Ended {
        fn drop(&mut self) {
            IS_PREFETCHING.set(self.0);
        }
    }
    let _ended = Ended(IS_PREFETCHING.get());
    IS_PREFETCHING.set(is_prefetching);
    poll()
}

#[inline]
pub(crate) fn setting() -> Setting {
    SETTING.get()
}

pub(crate) fn scope() -> Option<Cache> {
    SURROUNDINGS.with_borrow(|around| around.scope.clone())
}

/// The innermost load that this poll is part of.
pub(crate) fn load() -> Option<Arc<Load>> {
    SURROUNDINGS.with_borrow(|around| around.load.clone())
}

/// Who notes what is done.
pub(crate) fn recorder() -> Option<Arc<Recorder>> {
    if setting() != Setting::All {
        return None;
    }
    SURROUNDINGS.with_borrow(|around| around.recorder.clone())
}

/// Whether a question waits for a function.
pub(crate) fn is_asked() -> bool {
    setting() == Setting::All && SURROUNDINGS.with_borrow(|around| around.question.is_some())
}

/// Takes the question that waits for a function of this return type.
pub(crate) fn take_question(output: TypeId) -> Option<Question> {
    SURROUNDINGS.with_borrow_mut(|around| {
        around
            .question
            .take_if(|question| question.output == output)
    })
}

/// Puts the former surroundings back, also when the poll panics.
struct Restore(Option<Surroundings>);

impl Restore {
    fn enter(inner: Surroundings) -> Self {
        Self(Some(replace(inner)))
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(outer) = self.0.take() {
            drop(replace(outer));
        }
    }
}

fn replace(next: Surroundings) -> Surroundings {
    let is_more = next.question.is_some() || next.load.is_some() || next.recorder.is_some();
    SETTING.set(if is_more {
        Setting::All
    } else if next.scope.is_some() {
        Setting::Scope
    } else {
        Setting::Nothing
    });
    SURROUNDINGS.replace(next)
}

/// The scope and the span of a caller, which a task of its own would not have.
#[derive(Clone)]
pub(crate) struct Around {
    scope: Option<Cache>,
    span: tracing::Span,
    recorder: Option<Arc<Recorder>>,
    /// It is of what nobody has asked for yet.
    is_prefetching: bool,
}

impl Around {
    pub(crate) fn here() -> Self {
        Self {
            scope: scope(),
            span: tracing::Span::current(),
            recorder: recorder(),
            is_prefetching: is_prefetching(),
        }
    }

    /// From here on this is in the span of a load, below that of the caller.
    pub(crate) fn begin_load(&mut self, function: &str) -> Shown {
        let shown = Shown::load(&self.span, function);
        if !shown.span().is_disabled() {
            self.span = shown.span().clone();
        }
        shown
    }

    /// Runs `poll` there, as part of `load`. Questions stay outside.
    pub(crate) fn run<R>(&self, load: Option<Arc<Load>>, poll: impl FnOnce() -> R) -> R {
        let _entered = self.span.enter();
        let _restore = Restore::enter(Surroundings {
            scope: self.scope.clone(),
            load,
            question: None,
            recorder: self.recorder.clone(),
        });
        prefetching(self.is_prefetching, poll)
    }
}

/// Runs `poll` with a question that the first matching function may take.
pub(crate) fn asking<R>(question: Question, poll: impl FnOnce() -> R) -> R {
    let _restore = Restore::enter(Surroundings {
        scope: scope(),
        load: load(),
        question: Some(question),
        recorder: recorder(),
    });
    poll()
}

/// Runs `poll` while what is done is noted. A question goes in with it.
pub(crate) fn recording<R>(recorder: &Arc<Recorder>, poll: impl FnOnce() -> R) -> R {
    let _restore = Restore::enter(Surroundings {
        scope: scope(),
        load: load(),
        question: SURROUNDINGS.with_borrow_mut(|around| around.question.take()),
        recorder: Some(Arc::clone(recorder)),
    });
    poll()
}

/// Runs `poll` in the scope of `cache`. A question goes in with it.
pub(crate) fn in_scope<R>(cache: &Cache, poll: impl FnOnce() -> R) -> R {
    let _restore = Restore::enter(Surroundings {
        scope: Some(cache.clone()),
        load: load(),
        question: SURROUNDINGS.with_borrow_mut(|around| around.question.take()),
        recorder: recorder(),
    });
    poll()
}

pin_project_lite::pin_project! {
    /// A future whose cached calls go to one cache.
    #[derive(Debug)]
    pub(crate) struct Scoped<F> {
        cache: Cache,
        #[pin]
        future: F,
    }
}

impl<F> Scoped<F> {
    pub(crate) fn new(cache: Cache, future: F) -> Self {
        Self { cache, future }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        in_scope(this.cache, || this.future.poll(cx))
    }
}

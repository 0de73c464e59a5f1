//! Where a load runs: in a task of its own, or in the task of the caller that leads it.

use std::{
    borrow::Borrow,
    future::Future,
    marker::PhantomData,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{
    Answering, BoxFuture, Going, Missed,
    body::{Body, Given, Leaving, Make, Typed},
};
use crate::value::{Keep, Loaded, Maker, Shape};

/// The load runs in a task of its own, with owned copies of the arguments.
#[derive(Clone, Copy, Debug)]
pub struct Detached;

/// The load runs in the task of its leader, with the arguments as they are.
#[derive(Clone, Copy, Debug)]
pub struct Inline;

/// One of the two modes. A call is detached if all its arguments can be.
pub trait Mode: Copy {
    /// What becomes of this mode beside another argument.
    type And<M: Mode>: Mode;
    /// This mode, unless another argument asks for less.
    fn __cached_and<M: Mode>(self, other: M) -> Self::And<M>;
}

impl Mode for Detached {
    type And<M: Mode> = M;
    #[inline]
    fn __cached_and<M: Mode>(self, other: M) -> M {
        other
    }
}

impl Mode for Inline {
    type And<M: Mode> = Self;
    #[inline]
    fn __cached_and<M: Mode>(self, _other: M) -> Self {
        self
    }
}

/// An argument as the body will borrow it.
#[derive(Debug)]
pub struct HeldArgument<O, T: ?Sized>(O, PhantomData<fn(&T)>);

impl<O: Borrow<T>, T: ?Sized> HeldArgument<O, T> {
    /// The argument.
    #[inline]
    pub fn get(&self) -> &T {
        self.0.borrow()
    }
}

impl Detached {
    /// An owned copy of an argument.
    // Compiled for each type, not for each function.
    #[inline(never)]
    pub fn hold<T>(self, argument: &T) -> HeldArgument<T::Owned, T>
    where
        T: ToOwned<Owned: Send + Sync + 'static> + ?Sized,
    {
        HeldArgument(argument.to_owned(), PhantomData)
    }

    /// Goes on with a call that missed.
    #[inline]
    pub fn launch<'a, S, X, F>(
        self,
        missed: Box<Missed>,
        keep: &Keep<S, X>,
        body: F,
    ) -> Answering<'a, S, X>
    where
        S: Shape,
        X: 'static,
        F: Future<Output = S::Output> + Send + 'static,
    {
        missed.detached(keep, Box::pin(body))
    }

    /// The same where the body is to have owned copies of arguments.
    #[inline]
    pub fn launch_held<'a, S, X, F>(
        self,
        missed: Box<Missed>,
        keep: &Keep<S, X>,
        make: impl FnOnce() -> F + Send + 'a,
    ) -> Answering<'a, S, X>
    where
        S: Shape,
        X: 'static,
        F: Future<Output = S::Output> + Send + 'static,
    {
        missed.borrowing(keep, Box::new(make))
    }
}

impl Inline {
    /// The argument itself.
    #[inline]
    pub fn hold<T: ?Sized>(self, argument: &T) -> HeldArgument<&T, T> {
        HeldArgument(argument, PhantomData)
    }

    /// Goes on with a call that missed.
    #[inline]
    pub fn launch<'a, S, X, F>(
        self,
        missed: Box<Missed>,
        keep: &Keep<S, X>,
        body: F,
    ) -> Answering<'a, S, X>
    where
        S: Shape,
        X: 'static,
        F: Future<Output = S::Output> + Send + 'a,
    {
        missed.inline(keep, Box::pin(body))
    }

    /// The same where a detached body would have owned copies of arguments.
    #[inline]
    pub fn launch_held<'a, S, X, F>(
        self,
        missed: Box<Missed>,
        keep: &Keep<S, X>,
        make: impl FnOnce() -> F,
    ) -> Answering<'a, S, X>
    where
        S: Shape,
        X: 'static,
        F: Future<Output = S::Output> + Send + 'a,
    {
        self.launch(missed, keep, make())
    }
}

/// What makes the body of a call once it is needed. Not `FnOnce`, whose table would hold each closure twice.
pub(super) trait Start<T>: Send {
    fn start(self: Box<Self>) -> BoxFuture<'static, T>;
}

impl<T, M, F> Start<T> for M
where
    M: FnOnce() -> F + Send,
    F: Future<Output = T> + Send + 'static,
{
    fn start(self: Box<Self>) -> BoxFuture<'static, T> {
        Box::pin((*self)())
    }
}

// Each for a type, not for a function: these are compiled apart from where they are called.
impl Missed {
    #[inline(never)]
    fn detached<'a, S: Shape, X: 'static>(
        self: Box<Self>,
        keep: &Keep<S, X>,
        body: BoxFuture<'static, S::Output>,
    ) -> Answering<'a, S, X> {
        let body = Given::Detached(Box::new(Loading { body, keep: *keep }));
        Answering::of(self.answer(body, keep), keep)
    }

    #[inline(never)]
    fn borrowing<'a, S: Shape, X: 'static>(
        self: Box<Self>,
        keep: &Keep<S, X>,
        start: Box<dyn Start<S::Output> + 'a>,
    ) -> Answering<'a, S, X> {
        let body = Given::Borrowing(Box::new(Making { start, keep: *keep }));
        Answering::of(self.answer(body, keep), keep)
    }

    #[inline(never)]
    fn inline<'a, S: Shape, X: 'static>(
        self: Box<Self>,
        keep: &Keep<S, X>,
        body: BoxFuture<'a, S::Output>,
    ) -> Answering<'a, S, X> {
        let body = Given::Inline(Box::new(Loading { body, keep: *keep }));
        Answering::of(self.answer(body, keep), keep)
    }
}

impl Going {
    /// Goes on with a body that runs in this task; or in one of its own, where it is told so.
    #[inline(never)]
    pub(crate) fn launch<'a, S: Shape, X: 'static>(
        self,
        maker: Maker,
        keep: &Keep<S, X>,
        body: BoxFuture<'static, S::Output>,
        leaving: Option<Arc<Leaving>>,
    ) -> Answering<'a, S, X> {
        let body = Box::new(Loading { body, keep: *keep });
        let body = match leaving {
            Some(leaving) => Body::movable(body, leaving, maker),
            None => Body::new(Given::Inline(body), maker),
        };
        Answering::of(self.answer(body), keep)
    }
}

/// The body of a call, before it owns what it needs of the arguments.
struct Making<'a, S: Shape, X> {
    start: Box<dyn Start<S::Output> + 'a>,
    keep: Keep<S, X>,
}

impl<S: Shape, X: 'static> Make for Making<'_, S, X> {
    fn make(self: Box<Self>) -> Box<dyn Typed> {
        let body = self.start.start();
        Box::new(Loading {
            body,
            keep: self.keep,
        })
    }
}

/// The body of a call, of whose output it makes what the engine takes. A body that has ended holds nothing
/// more: it is an `async` block of the expansion.
struct Loading<'a, S: Shape, X> {
    body: BoxFuture<'a, S::Output>,
    keep: Keep<S, X>,
}

impl<S: Shape, X: 'static> Typed for Loading<'_, S, X> {
    fn poll(&mut self, maker: &Maker, cx: &mut Context<'_>) -> Poll<Loaded> {
        let output = ready!(self.body.as_mut().poll(cx));
        Poll::Ready(self.keep.load(maker, output))
    }
}

/// Asks whether a load can own a copy of an argument: `(&&HoldProbe::of(argument)).__cached_mode()`.
#[derive(Debug)]
pub struct HoldProbe<T: ?Sized>(PhantomData<fn(&T)>);

impl<T: ?Sized> HoldProbe<T> {
    /// The probe of an argument behind a reference.
    #[inline]
    pub fn of(_argument: &T) -> Self {
        Self(PhantomData)
    }
}

/// [`HoldProbe`] for arguments that can be copied into a task.
pub trait ProbeHold {
    /// A task of its own.
    #[inline]
    fn __cached_mode(&self) -> Detached {
        Detached
    }
}

impl<T: ToOwned<Owned: Send + Sync + 'static> + ?Sized> ProbeHold for &HoldProbe<T> {}

/// [`HoldProbe`] for arguments that cannot.
pub trait ProbeBorrow {
    /// The task of the leader.
    #[inline]
    fn __cached_mode(&self) -> Inline {
        Inline
    }
}

impl<T: ?Sized> ProbeBorrow for HoldProbe<T> {}

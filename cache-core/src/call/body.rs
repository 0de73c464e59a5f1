//! The body of a call, for an engine that knows no value type: before it runs, and while it does.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::runtime::Handle;

use crate::value::{Loaded, Maker};

/// A body with an output of a type that only it knows.
pub(crate) trait Typed: Send {
    /// Runs it, and has the maker make of its output what the engine takes.
    fn poll(&mut self, maker: &Maker, cx: &mut Context<'_>) -> Poll<Loaded>;
}

/// What makes such a body. Not `FnOnce`, with which each function has more code.
pub(crate) trait Make: Send {
    fn make(self: Box<Self>) -> Box<dyn Typed>;
}

/// A body as its mode has it.
pub(crate) enum Given<'a> {
    Inline(Box<dyn Typed + 'a>),
    Detached(Box<dyn Typed>),
    /// Owned copies of the arguments are made when the body is needed, not for every waiter.
    Borrowing(Box<dyn Make + 'a>),
}

/// The body of a call, not yet running.
pub(crate) struct Body<'a> {
    given: Given<'a>,
    maker: Maker,
}

impl<'a> Body<'a> {
    pub(super) fn new(given: Given<'a>, maker: Maker) -> Self {
        Self { given, maker }
    }

    /// One that is to run where it is polled.
    pub(super) fn here(Running { body, maker }: Running<'a>) -> Self {
        Self::new(Given::Inline(body), maker)
    }

    pub(super) fn start(self) -> Running<'a> {
        let body = match self.given {
            Given::Inline(body) | Given::Detached(body) => body,
            Given::Borrowing(body) => body.make(),
        };
        Running {
            body,
            maker: self.maker,
        }
    }

    /// What runs in a task of its own; the body itself where it is to run in the caller's.
    pub(super) fn apart(self) -> Result<Running<'static>, Self> {
        let body = match self.given {
            Given::Inline(_) => return Err(self),
            Given::Detached(body) => body,
            Given::Borrowing(body) => body.make(),
        };
        Ok(Running {
            body,
            maker: self.maker,
        })
    }

    /// The runtime for a task of its own; nothing where the body runs in the caller's.
    pub(super) fn runtime(&self) -> Option<Handle> {
        match self.given {
            Given::Inline(_) => None,
            // Outside a runtime there are no tasks.
            Given::Detached(_) | Given::Borrowing(_) => Handle::try_current().ok(),
        }
    }
}

/// A body that runs.
pub(crate) struct Running<'a> {
    body: Box<dyn Typed + 'a>,
    maker: Maker,
}

impl Future for Running<'_> {
    type Output = Loaded;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Loaded> {
        let Self { body, maker } = &mut *self;
        body.poll(maker, cx)
    }
}

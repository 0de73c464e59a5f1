//! The body of a call, for an engine that knows no value type: before it runs, and while it does.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
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

/// Whether a body has left its caller, for a task of its own, and is still on its way to where it is loaded with others.
#[derive(Debug)]
pub(crate) struct Leaving {
    is_apart: AtomicBool,
    is_coming: AtomicBool,
    /// Nobody waits for it.
    is_straggler: AtomicBool,
    leavers: Arc<Leavers>,
    stragglers: Arc<Leavers>,
}

/// The bodies of one call that have left it.
#[derive(Debug, Default)]
pub(crate) struct Leavers {
    /// How many are on their way.
    coming: AtomicUsize,
    has_any: AtomicBool,
}

impl Leavers {
    /// Has those that are there wait for others.
    pub(crate) fn hold(&self) {
        self.coming.fetch_add(1, AcqRel);
    }

    pub(crate) fn are_coming(&self) -> bool {
        self.coming.load(Acquire) > 0
    }

    /// Ends a [`hold`](Self::hold). True for the last one, where somebody has waited.
    pub(crate) fn let_go(&self) -> bool {
        self.coming.fetch_sub(1, AcqRel) == 1 && self.has_any.swap(false, AcqRel)
    }
}

impl Leaving {
    pub(crate) fn new(leavers: &Arc<Leavers>, stragglers: &Arc<Leavers>) -> Arc<Self> {
        Arc::new(Self {
            is_apart: AtomicBool::new(false),
            is_coming: AtomicBool::new(false),
            is_straggler: AtomicBool::new(false),
            leavers: Arc::clone(leavers),
            stragglers: Arc::clone(stragglers),
        })
    }

    /// Those that wait for each other.
    fn fellows(&self) -> &Leavers {
        if self.is_straggler.load(Acquire) {
            &self.stragglers
        } else {
            &self.leavers
        }
    }

    fn leave(&self, is_straggler: bool) {
        self.is_straggler.store(is_straggler, Release);
        self.is_apart.store(true, Release);
        if !self.is_coming.swap(true, AcqRel) {
            let fellows = self.fellows();
            fellows.has_any.store(true, Release);
            fellows.hold();
        }
    }

    /// It is there, or does not come for now. Gives whether it was the last.
    pub(crate) fn arrive(&self) -> bool {
        self.is_coming.swap(false, AcqRel) && self.fellows().coming.fetch_sub(1, AcqRel) == 1
    }

    pub(crate) fn is_apart(&self) -> bool {
        self.is_apart.load(Acquire)
    }

    /// Whether others of the call are on their way.
    pub(crate) fn are_others_coming(&self) -> bool {
        self.fellows().are_coming()
    }
}

/// The body of a call, not yet running.
pub(crate) struct Body<'a> {
    given: Given<'a>,
    /// Set where a detached one runs where it is polled, but can run on in the background: there it is told so.
    leaving: Option<Arc<Leaving>>,
    maker: Maker,
}

impl<'a> Body<'a> {
    pub(super) fn new(given: Given<'a>, maker: Maker) -> Self {
        Self {
            given,
            leaving: None,
            maker,
        }
    }

    pub(super) fn movable(body: Box<dyn Typed>, leaving: Arc<Leaving>, maker: Maker) -> Self {
        Self {
            given: Given::Detached(body),
            leaving: Some(leaving),
            maker,
        }
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
        self.leave(false)
    }

    /// The same where nobody waits for it.
    pub(super) fn behind(self) -> Result<Running<'static>, Self> {
        self.leave(true)
    }

    fn leave(self, is_straggler: bool) -> Result<Running<'static>, Self> {
        let body = match self.given {
            Given::Inline(_) => return Err(self),
            Given::Detached(body) => body,
            Given::Borrowing(body) => body.make(),
        };
        if let Some(leaving) = &self.leaving {
            leaving.leave(is_straggler);
        }
        Ok(Running {
            body,
            maker: self.maker,
        })
    }

    /// The runtime for a task of its own; nothing where the body runs in the caller's.
    pub(super) fn runtime(&self) -> Option<Handle> {
        match self.given {
            Given::Inline(_) => None,
            Given::Detached(_) if self.leaving.is_some() => None,
            // Outside a runtime there are no tasks.
            Given::Detached(_) | Given::Borrowing(_) => Handle::try_current().ok(),
        }
    }

    /// Where a body is told that it leaves.
    pub(super) fn leaving(&self) -> Option<Arc<Leaving>> {
        self.leaving.clone()
    }

    /// The runtime for a task that goes on when the caller has gone; nothing where there can be none.
    pub(super) fn background(&self) -> Option<Handle> {
        match self.leaving {
            Some(_) => Handle::try_current().ok(),
            None => self.runtime(),
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

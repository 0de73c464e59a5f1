//! A body while it runs for a flight: it waits for its slot, runs as part of its load, and tells the
//! flight how it ended, also when it panics or is dropped half way.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::{runtime::Handle, sync::Notify, task::JoinHandle};

use super::BoxFuture;
use crate::{
    cache::Cache,
    context,
    flight::{Load, Target, Wait, wait},
    l1::Stored,
    stats::Counters,
    value::Loaded,
    watchdog::Patience,
};

/// How a run ended.
pub(super) enum Ended {
    Loaded(Loaded),
    /// Another load answered while this one waited for its slot.
    Answered(Arc<dyn Stored>),
}

/// A body that runs for a flight.
pub(super) struct Run<'a> {
    cache: Cache,
    load: Arc<Load>,
    body: BoxFuture<'a, Loaded>,
    phase: Phase,
    /// The scope and the span of the caller, which a task of its own would not have.
    scope: Option<Cache>,
    span: tracing::Span,
}

enum Phase {
    New,
    Queued { patience: Patience, _wait: Wait },
    Loading,
    Ended,
}

impl<'a> Run<'a> {
    /// Prepares a run. The turn is given on when making the body panics: it clones the user's arguments.
    pub(super) fn new(
        cache: &Cache,
        load: Arc<Load>,
        body: impl FnOnce() -> BoxFuture<'a, Loaded>,
    ) -> Self {
        let mut run = Self {
            cache: cache.clone(),
            load,
            body: Box::pin(std::future::pending()),
            phase: Phase::New,
            scope: context::scope(),
            span: tracing::Span::current(),
        };
        run.body = body();
        run
    }

    /// Waits for a slot, or for another load's answer.
    fn poll_slot(&mut self, cx: &Context<'_>) -> Poll<Option<Arc<dyn Stored>>> {
        let (slots, slot) = (&self.load.site().slots, &self.load.slot);
        if matches!(self.phase, Phase::New)
            && !slots.try_take(slot)
            // Where those who hold the slots wait for this load, it goes on without one.
            && let Some(wait) = wait(&self.load, Target::Slots(Arc::clone(slots)))
        {
            self.phase = Phase::Queued {
                patience: Patience::default(),
                _wait: wait,
            };
        }
        if let Phase::Queued { patience, .. } = &mut self.phase {
            if let Poll::Ready(answer) = self.load.poll_answer(cx) {
                return Poll::Ready(Some(answer));
            }
            ready!(slots.poll_take(slot, patience, cx));
            self.load.begin();
        }
        self.phase = Phase::Loading;
        Counters::add(&self.load.site().counters.loads);
        Poll::Ready(None)
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Loaded> {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let _entered = self.span.enter();
            context::within_load(&self.load, self.scope.as_ref(), || {
                self.body.as_mut().poll(cx)
            })
        }));
        match polled {
            Ok(polled) => polled,
            Err(panic) => {
                self.phase = Phase::Ended;
                Counters::add(&self.load.site().counters.failures);
                self.load.fail();
                resume_unwind(panic)
            }
        }
    }

    fn end(&mut self, loaded: &Loaded) {
        self.phase = Phase::Ended;
        if loaded.has_failed() {
            Counters::add(&self.load.site().counters.failures);
        }
        match loaded {
            Loaded::Node { node, fate } => {
                self.load.complete(node, *fate, self.cache.clock().now());
            }
            Loaded::Own { .. } => self.load.fail(),
        }
    }
}

impl Future for Run<'_> {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let waker = self.load.slot.begin_poll(cx.waker());
        let polled = self.poll_phases(&mut Context::from_waker(&waker));
        self.load.slot.end_poll();
        polled
    }
}

impl Run<'_> {
    fn poll_phases(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if !matches!(self.phase, Phase::Loading)
            && let Some(node) = ready!(self.poll_slot(cx))
        {
            self.phase = Phase::Ended;
            self.load.vanish();
            return Poll::Ready(Ended::Answered(node));
        }
        let loaded = ready!(self.poll_body(cx));
        self.end(&loaded);
        Poll::Ready(Ended::Loaded(loaded))
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if !matches!(self.phase, Phase::Ended) {
            self.load.vanish();
        }
    }
}

impl Run<'static> {
    /// Goes on in a task of its own, which nobody has to wait for.
    pub(super) fn detach(self, runtime: &Handle) -> Detached {
        let running = self.cache.tasks().enter();
        Detached(runtime.spawn(async move {
            let _running = running;
            self.await
        }))
    }
}

/// A run in a task of its own.
pub(super) struct Detached(JoinHandle<Ended>);

impl Detached {
    /// How the run ended.
    ///
    /// # Panics
    ///
    /// With the panic of the body, and when the runtime was shut down under it.
    pub(super) async fn ended(self) -> Ended {
        match self.0.await {
            Ok(ended) => ended,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(error) => panic!("the runtime that ran this load was shut down: {error}"),
        }
    }
}

/// The loads of one cache that run in tasks of their own.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: AtomicUsize,
    ended: Notify,
}

impl Tasks {
    fn enter(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::AcqRel);
        Running(Arc::clone(self))
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    /// Waits until no load runs.
    pub(crate) async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.running() == 0 {
                return;
            }
            ended.await;
        }
    }
}

/// One running load, while it runs.
struct Running(Arc<Tasks>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

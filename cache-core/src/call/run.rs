//! A body while it runs for a flight: it waits for its slot, runs as part of its load, and tells the
//! flight how it ended, also when it panics or is dropped half way.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{runtime::Handle, task::JoinHandle, time::Instant};

use super::{body::Running, l2::L2Entry, overdue::Attended};
use crate::{
    cache::Cache,
    clock::{Nanos, system_now},
    context::Around,
    flight::{Arrival, Load, Overtaken, Target, Underway, Wait, wait},
    l2::{Notice, RedisMiss},
    spans::Shown,
    stats::Counters,
    tasks,
    value::{Fate, Loaded},
    watchdog::Patience,
};

/// How a run ended.
pub(super) enum RunOutcome {
    Loaded(Loaded),
    /// Before it began.
    Overtaken(Overtaken),
}

/// A body that runs for a flight.
pub(super) struct Run<'a> {
    cache: Cache,
    /// Where the value goes besides memory.
    l2_entry: Option<Arc<dyn L2Entry>>,
    notice: Option<Notice>,
    phase: Phase,
    body: Running<'a>,
    around: Around,
    /// Nothing before it begins.
    shown: Shown,
    /// Behind the body: when the next load begins, this one has dropped what it held.
    underway: Underway,
}

enum Phase {
    New,
    /// With a slot, or where none is needed.
    Admitted,
    Queued {
        patience: Patience,
        _wait: Wait,
    },
    Loading {
        since: Nanos,
        timed: Instant,
    },
}

impl<'a> Run<'a> {
    pub(super) fn new(
        cache: &Cache,
        underway: Underway,
        (l2_entry, notice): (Option<Arc<dyn L2Entry>>, Option<Notice>),
        body: Running<'a>,
        around: Around,
    ) -> Self {
        Self {
            cache: cache.clone(),
            l2_entry,
            notice,
            phase: Phase::New,
            body,
            around,
            shown: Shown::nothing(),
            underway,
        }
    }

    /// Takes a slot if one is free, and is to wait for one otherwise.
    fn admit(&mut self, load: &Arc<Load>) {
        let slots = &load.site().slots;
        self.phase = if !load.site().is_batched
            && !slots.try_take(&load.slot)
            // Where those who hold the slots wait for this load, it goes on without one.
            && let Some(wait) = wait(load, Target::Slots(Arc::clone(slots)))
        {
            Phase::Queued {
                patience: Patience::default(),
                _wait: wait,
            }
        } else {
            Phase::Admitted
        };
    }

    /// Waits for a slot, as long as the load is wanted.
    fn poll_slot(&mut self, load: &Arc<Load>, cx: &Context<'_>) -> Poll<Option<Overtaken>> {
        let (slots, slot) = (&load.site().slots, &load.slot);
        if matches!(self.phase, Phase::New) {
            self.admit(load);
        }
        if let Phase::Queued { patience, .. } = &mut self.phase {
            if let Poll::Ready(overtaken) = load.poll_queued(cx) {
                return Poll::Ready(Some(overtaken));
            }
            ready!(slots.poll_take(slot, patience, cx));
        }
        load.begin();
        self.phase = Phase::Loading {
            since: system_now(),
            timed: Instant::now(),
        };
        let site = load.site();
        Counters::add(&site.counters.loads);
        if load.is_succession() {
            Counters::add(&site.counters.background_loads);
        }
        // Those of a batch are loaded in one go, which has a span.
        if !site.is_batched {
            self.shown = self.around.begin_load(&site.name);
        }
        Poll::Ready(None)
    }

    fn poll_body(&mut self, load: &Arc<Load>, cx: &mut Context<'_>) -> Poll<Loaded> {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            self.around
                .run(Some(Arc::clone(load)), || Pin::new(&mut self.body).poll(cx))
        }));
        polled.unwrap_or_else(|panic| {
            Counters::add(&load.site().counters.failures);
            self.shown.panicked();
            self.put_off_the_next(load, false);
            self.underway.fail();
            self.let_go();
            resume_unwind(panic)
        })
    }

    /// When the body was begun.
    fn began(&self) -> Nanos {
        match self.phase {
            Phase::Loading { since, .. } => since,
            Phase::New | Phase::Admitted | Phase::Queued { .. } => system_now(),
        }
    }

    /// What was to be replaced is not tried to be at once again.
    fn put_off_the_next(&self, load: &Load, may_stand_in: bool) {
        if let Some(aging) = &load.site().aging {
            (aging.put_off)(&self.cache, load, may_stand_in);
        }
    }

    /// Other processes need wait no longer.
    fn let_go(&self) {
        if let Some(l2_entry) = &self.l2_entry {
            l2_entry.let_go();
        }
    }

    fn arrive(&mut self, load: &Load, mut loaded: Loaded) -> Loaded {
        let has_failed = loaded.has_failed();
        self.shown.ended(has_failed);
        if has_failed {
            self.put_off_the_next(load, loaded.is_replaceable());
        }
        let Loaded::Node { node, fate, tags } = &mut loaded else {
            self.underway.fail();
            self.let_go();
            return loaded;
        };
        let (began, now) = (self.began(), system_now());
        let load_time = load.time_asking(began);
        if !has_failed {
            load.site().load_time.set(load_time);
            load.site().given_up_after.set(Duration::ZERO);
        }
        // Nobody else has it yet.
        if let Some(node) = Arc::get_mut(node) {
            node.entry_mut().took(load_time);
            if let Some(events) = load.site().events
                && !events.guard(&self.cache, load, node.entry_mut(), tags, (began, now))
            {
                // Who asks for a new value is not to be followed by those who are served the one before.
                let is_outdated = load.is_renewal() && *fate == Fate::Keep;
                *fate = if is_outdated {
                    Fate::Forget
                } else {
                    Fate::Leave
                };
            }
        }
        self.underway.complete(&Arrival {
            node,
            fate: *fate,
            clock: self.cache.clock(),
            route: self.l2_entry.as_deref().map(L2Entry::way),
            notice: self.notice.as_ref(),
            load_time,
            replaces: load.is_renewal(),
            is_absent: self.l2_entry.is_some() && load.redis_miss() == Some(RedisMiss::Absent),
        });
        self.let_go();
        loaded
    }

    fn poll_load(&mut self, load: &Arc<Load>, cx: &mut Context<'_>) -> Poll<RunOutcome> {
        if !matches!(self.phase, Phase::Loading { .. })
            && let Some(overtaken) = ready!(self.poll_slot(load, cx))
        {
            return Poll::Ready(RunOutcome::Overtaken(overtaken));
        }
        if load.is_overdue() {
            return Poll::Ready(RunOutcome::Overtaken(Overtaken::Abandoned));
        }
        let loaded = ready!(self.poll_body(load, cx));
        if let Phase::Loading { timed, .. } = self.phase {
            load.site().counters.load_times.add(timed.elapsed());
        }
        if loaded.has_failed() {
            Counters::add(&load.site().counters.failures);
        }
        Poll::Ready(RunOutcome::Loaded(self.arrive(load, loaded)))
    }
}

impl Future for Run<'_> {
    type Output = RunOutcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<RunOutcome> {
        let load = self
            .underway
            .load()
            .expect("a future is not polled after it ended");
        let load = Arc::clone(load);
        load.slot.poll(cx, |cx| self.poll_load(&load, cx))
    }
}

impl Run<'static> {
    /// Goes on in a task of its own, which nobody has to wait for.
    pub(super) fn detach(self, runtime: &Handle) -> Detached {
        let attended = Attended(self.underway.load().map(Arc::downgrade));
        let task = tasks::spawn(runtime, self.apart());
        Detached { task, attended }
    }

    /// What a task of its own runs. A load that has its slot by now has begun; one that has to wait for it
    /// begins only where somebody still wants it, however late the task is polled.
    pub(super) fn apart(mut self) -> impl Future<Output = RunOutcome> + Send + 'static {
        let running = self.cache.tasks().enter();
        if let Some(load) = self.underway.load().cloned() {
            load.slot.resume(true);
            self.admit(&load);
        }
        async move {
            let _running = running;
            self.await
        }
    }
}

/// A run in a task of its own.
pub(super) struct Detached {
    task: JoinHandle<RunOutcome>,
    attended: Attended,
}

impl Detached {
    /// How the run ended.
    ///
    /// # Panics
    ///
    /// With the panic of the body, and when the runtime was shut down under it.
    pub(super) async fn ended(self) -> RunOutcome {
        let _attended = self.attended;
        joined(self.task).await
    }
}

/// What the task of a load gave.
///
/// # Panics
///
/// With the panic of the task, and when the runtime was shut down under it.
pub(super) async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(ended) => ended,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(error) => panic!("the runtime that ran this load was shut down: {error}"),
    }
}

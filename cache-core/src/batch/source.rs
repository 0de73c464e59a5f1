//! Where the keys of one batch are loaded: with those of others, by a body that owns what it needs.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use tokio::runtime::Handle;

use super::{
    Each, KeyOf, Map, Output,
    gathering::{Apart, Asking, CallId, Gathering, LoadingKeys},
};
use crate::{
    cache::Cache,
    call::{BoxFuture, Leavers, Leaving, Missed, deadline_of},
    clock::system_now,
    context::Around,
    flight::{Load, Target, wait},
    key::{KeyWriter, Written},
    site::SiteState,
    slot::{Slot, Slots},
    stats::Counters,
    tasks::{self, Tasks},
    watchdog::Patience,
};

/// Makes the load of some keys.
pub(super) type Make<O> = dyn Fn(Vec<KeyOf<O>>) -> BoxFuture<'static, O> + Send + Sync;

/// Makes that, once it is needed: it owns a copy of the arguments.
type Own<'a, O> = Box<dyn FnOnce() -> Box<Make<O>> + Send + 'a>;

/// The load of one key, and what tells it that it has left its caller.
type Leave<O> = (Asking<KeyOf<O>, Each<O>>, Option<Arc<Leaving>>);

/// What loads the keys of one call.
pub(super) struct Source<'a, O: Output> {
    pub(super) cache: Cache,
    call: CallId,
    site: Arc<SiteState>,
    gathering: Arc<Gathering<KeyOf<O>, Each<O>>>,
    /// Past the cache: the body runs in the caller, for its keys and no others.
    pub(super) is_uncached: bool,
    keeps_errors: bool,
    /// How many of the keys are being read from the shared tier.
    pub(super) reading: Arc<AtomicUsize>,
    /// Those whose caller waits, and those that nobody waits for.
    leavers: Arc<Leavers>,
    stragglers: Arc<Leavers>,
    most: usize,
    own: Option<Own<'a, O>>,
    loader: Option<Arc<Loader<O>>>,
}

/// What takes keys that wait, and loads them.
pub(super) struct Loader<O: Output> {
    call: CallId,
    is_uncached: bool,
    /// An error is not to be remembered for keys of other calls than the one that it is about.
    keeps_errors: bool,
    site: Arc<SiteState>,
    gathering: Arc<Gathering<KeyOf<O>, Each<O>>>,
    most: usize,
    make: Option<Box<Make<O>>>,
    /// Where the call was made, wherever it is loaded.
    around: Around,
    /// Of the cache, which closing waits for.
    tasks: Arc<Tasks>,
}

impl<'a, O> Source<'a, O>
where
    O: Output + 'static,
    O::Error: Clone + Send,
    Each<O>: Send,
{
    pub(super) fn new(
        missed: &Missed,
        common: &(dyn Fn(&mut KeyWriter) -> Written + Sync),
        most: usize,
        own: Option<impl FnOnce() -> Box<Make<O>> + Send + 'a>,
        keeps_errors: bool,
    ) -> Self {
        let (site, gathering) = missed.gathering(common);
        let is_uncached = missed.is_uncached(&site);
        let err_ttl = site.policy.as_ref().and_then(|policy| policy.err_ttl);
        let keeps_errors = err_ttl.map_or(keeps_errors, |ttl| !ttl.is_zero());
        Self {
            cache: missed.cache().clone(),
            call: CallId::new(),
            site,
            gathering: if is_uncached {
                Arc::default()
            } else {
                gathering
            },
            is_uncached,
            keeps_errors,
            reading: Arc::default(),
            leavers: Arc::default(),
            stragglers: Arc::default(),
            most: most.max(1),
            own: own.map(|own| -> Own<'a, O> { Box::new(own) }),
            loader: None,
        }
    }

    /// Whether keys wait to be loaded, and no others are to come: of those that have left, the last loads all.
    pub(super) fn is_ready(&self) -> bool {
        self.reading.load(Relaxed) == 0
            && !self.leavers.are_coming()
            && self.gathering.has_waiting(self.call)
    }

    pub(super) fn loader(&mut self) -> Arc<Loader<O>> {
        let own = &mut self.own;
        let loader = self.loader.get_or_insert_with(|| {
            Arc::new(Loader {
                call: self.call,
                is_uncached: self.is_uncached,
                keeps_errors: self.keeps_errors,
                site: Arc::clone(&self.site),
                gathering: Arc::clone(&self.gathering),
                most: self.most,
                make: own.take().map(|own| own()),
                around: Around::here(),
                tasks: Arc::clone(self.cache.tasks()),
            })
        });
        Arc::clone(loader)
    }

    /// The load of one key, which perhaps `may_leave` its caller.
    pub(super) fn load(&mut self, key: KeyOf<O>, may_leave: bool) -> Leave<O> {
        let leaving = may_leave.then(|| Leaving::new(&self.leavers, &self.stragglers));
        let apart = leaving.as_ref().map(|leaving| {
            let loader = self.loader();
            Apart {
                leaving: Arc::clone(leaving),
                drive: Arc::new(move || loader.spawn()),
            }
        });
        (self.gathering.load(key, self.call, apart), leaving)
    }

    /// Has those that leave wait for each other until it is dropped; nothing where none may.
    pub(super) fn hold(&self) -> Option<Hold<O>> {
        let loader = Arc::clone(self.loader.as_ref()?);
        let leavers = [&self.leavers, &self.stragglers].map(Arc::clone);
        for leavers in &leavers {
            leavers.hold();
        }
        Some(Hold { leavers, loader })
    }
}

/// While some may leave their call.
pub(super) struct Hold<O>
where
    O: Output + 'static,
    O::Error: Clone + Send,
    Each<O>: Send,
{
    leavers: [Arc<Leavers>; 2],
    loader: Arc<Loader<O>>,
}

impl<O> Drop for Hold<O>
where
    O: Output + 'static,
    O::Error: Clone + Send,
    Each<O>: Send,
{
    fn drop(&mut self) {
        let [leavers, stragglers] = &self.leavers;
        // Of both, whatever comes of the first.
        if leavers.let_go() | stragglers.let_go() {
            self.loader.spawn();
        }
    }
}

impl<O> Loader<O>
where
    O: Output + 'static,
    O::Error: Clone + Send,
    Each<O>: Send,
{
    /// The loads of all keys that wait and that this call may load. None is begun before all are there: one that is not
    /// taken, as by a runtime that ends, gives its keys back.
    pub(super) fn take_all(self: &Arc<Self>) -> Vec<Begun> {
        if self.make.is_none() || !self.gathering.has_waiting(self.call) {
            return Vec::new();
        }
        let taken = self.gathering.take_all(self.most, self.call);
        taken.into_iter().map(|taken| self.begin(taken)).collect()
    }

    fn begin(self: &Arc<Self>, taken: LoadingKeys<KeyOf<O>, Each<O>>) -> Begun {
        let is_own = Arc::new(AtomicBool::new(taken.call() == Some(self.call)));
        let running = (!self.is_uncached).then(|| self.tasks.enter());
        if !self.is_uncached {
            taken.watch(deadline_of(&self.site, Duration::ZERO));
        }
        let load = Arc::clone(self).load(taken, Arc::clone(&is_own));
        Begun {
            load: Box::pin(async move {
                let _running = running;
                load.await;
            }),
            is_own,
        }
    }

    /// Waits for a slot of the function, and takes along what waits for one then. The slot is free again when what this
    /// gives is dropped.
    async fn slot(&self, taken: &LoadingKeys<KeyOf<O>, Each<O>>) -> SlotGuard<'_> {
        let (slots, slot) = (&self.site.slots, taken.slot());
        let held = SlotGuard(slots, Arc::clone(slot));
        if slots.try_take(slot) {
            return held;
        }
        let whole = Whole::of(taken);
        let waits = match &whole.0 {
            Some(load) => wait(load, Target::Slots(Arc::clone(slots))).map(Some),
            None => Some(None),
        };
        // Not where those who hold the others wait for this load.
        let Some(_wait) = waits else {
            return held;
        };
        let queued = taken.queue();
        let mut patience = Patience::default();
        poll_fn(|cx| {
            if !taken.is_wanted() {
                return Poll::Ready(());
            }
            slot.poll(cx, |cx| slots.poll_take(slot, &mut patience, cx))
        })
        .await;
        drop(queued);
        if taken.is_wanted() {
            // A key of another call that panics is given back to that call.
            let _ = catch_unwind(AssertUnwindSafe(|| taken.fill_up(self.most)));
        }
        held
    }

    /// Runs a body for the keys that were taken, as part of the load of each.
    async fn load(self: Arc<Self>, taken: LoadingKeys<KeyOf<O>, Each<O>>, is_own: Arc<AtomicBool>) {
        let _held = if self.is_uncached {
            None
        } else {
            Some(self.slot(&taken).await)
        };
        if !taken.is_wanted() {
            return;
        }
        is_own.store(taken.call() == Some(self.call), Relaxed);
        let slot = taken.slot();
        let mut requests = taken.requests();
        requests.retain(|request| request.is_wanted());
        let whole = Whole::of(&taken);
        let now = system_now();
        for load in requests.iter().filter_map(|request| request.load()) {
            load.asks(now);
        }
        Counters::add(&self.site.counters.batch_loads);
        let keys = requests.iter().map(|request| request.key.clone());
        let Some(make) = &self.make else {
            return;
        };
        let mut body = taken.heard(|| make(keys.collect()));
        let mut around = self.around.clone();
        let mut shown = around.begin_load(&self.site.name);
        shown.record_keys(requests.len());
        let output = poll_fn(|cx| {
            if let Some(deadline) = taken.overdue() {
                self.site.give_up(deadline);
                return Poll::Ready(None);
            }
            if taken.is_given_up() {
                return Poll::Ready(None);
            }
            let load = || whole.0.clone();
            let polled =
                taken.heard(|| slot.poll(cx, |cx| around.run(load(), || body.as_mut().poll(cx))));
            polled.map(Some)
        });
        let output = output.await;
        taken.heard(|| {
            let output = output.map(Output::split);
            if let Some(output) = &output {
                shown.ended(output.is_err());
            }
            match output {
                Some(Ok(mut map)) => taken.answer(|key| Ok(map.take(key))),
                Some(Err(_)) if self.keeps_errors && taken.call().is_none() => {}
                Some(Err(error)) => taken.answer(|_| Err(error.clone())),
                None => {}
            }
        });
    }

    /// Loads all that wait, in tasks of their own. Keys that panic where they are looked at are given back to their
    /// callers: this may be part of an unwinding already.
    fn spawn(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (loader, on) = (Arc::clone(self), runtime.clone());
        tasks::spawn(&runtime, async move {
            // Others have a chance to bring their keys.
            tokio::task::yield_now().await;
            let _ = catch_unwind(AssertUnwindSafe(|| {
                for begun in loader.take_all() {
                    tasks::spawn(&on, begun.load);
                }
            }));
        });
    }
}

/// A load that is to run.
pub(super) struct Begun {
    pub(super) load: BoxFuture<'static, ()>,
    /// Of keys of the call that runs it, and no others.
    pub(super) is_own: Arc<AtomicBool>,
}

/// A load of many keys, until it is over.
struct Whole(Option<Arc<Load>>);

impl Whole {
    fn of<K, R>(taken: &LoadingKeys<K, R>) -> Self {
        let requests = taken.requests();
        let loads = requests.iter().filter_map(|request| request.load());
        Self(Load::of_all(&loads.collect::<Vec<_>>(), taken.slot()))
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some(load) = &self.0 {
            load.forget_parts();
        }
    }
}

/// A slot of the function, or the wait for one, until the load is over.
struct SlotGuard<'a>(&'a Arc<Slots>, Arc<Slot>);

impl Drop for SlotGuard<'_> {
    fn drop(&mut self) {
        self.0.free(&self.1);
    }
}

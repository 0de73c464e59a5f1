//! Where the keys of one batch are loaded: with those of others, by a body that owns what it needs.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::runtime::Handle;

use super::{
    Each, KeyOf, Map, Output,
    gathering::{Apart, Asking, Gathering, Taken},
};
use crate::{
    cache::Cache,
    call::{BoxFuture, Leavers, Leaving, Missed, Written},
    context::Around,
    flight::{Load, Target, wait},
    key::KeyWriter,
    site::SiteState,
    slot::{Slot, Slots},
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
    site: Arc<SiteState>,
    gathering: Arc<Gathering<KeyOf<O>, Each<O>>>,
    /// How many of the keys are being read from the shared tier.
    pub(super) reading: Arc<AtomicUsize>,
    leavers: Arc<Leavers>,
    most: usize,
    own: Option<Own<'a, O>>,
    loader: Option<Arc<Loader<O>>>,
}

/// What takes keys that wait, and loads them.
pub(super) struct Loader<O: Output> {
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
    ) -> Self {
        let (site, gathering) = missed.gathering(common);
        Self {
            cache: missed.cache().clone(),
            site,
            gathering,
            reading: Arc::default(),
            leavers: Arc::default(),
            most: most.max(1),
            own: own.map(|own| -> Own<'a, O> { Box::new(own) }),
            loader: None,
        }
    }

    /// Whether keys wait to be loaded, and no others are to come.
    pub(super) fn is_ready(&self) -> bool {
        self.reading.load(Relaxed) == 0 && self.gathering.has_waiting()
    }

    pub(super) fn loader(&mut self) -> Arc<Loader<O>> {
        let own = &mut self.own;
        let loader = self.loader.get_or_insert_with(|| {
            Arc::new(Loader {
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
        let leaving = may_leave.then(|| Leaving::new(&self.leavers));
        let apart = leaving.as_ref().map(|leaving| {
            let loader = self.loader();
            Apart {
                leaving: Arc::clone(leaving),
                drive: Arc::new(move || loader.spawn()),
            }
        });
        (self.gathering.load(key, apart), leaving)
    }

    /// Has those that leave wait for each other until it is dropped; nothing where none may.
    pub(super) fn hold(&self) -> Option<Hold<O>> {
        let loader = Arc::clone(self.loader.as_ref()?);
        self.leavers.hold();
        Some(Hold {
            leavers: Arc::clone(&self.leavers),
            loader,
        })
    }
}

/// While some may leave their call.
pub(super) struct Hold<O>
where
    O: Output + 'static,
    O::Error: Clone + Send,
    Each<O>: Send,
{
    leavers: Arc<Leavers>,
    loader: Arc<Loader<O>>,
}

impl<O> Drop for Hold<O>
where
    O: Output + 'static,
    O::Error: Clone + Send,
    Each<O>: Send,
{
    fn drop(&mut self) {
        if self.leavers.let_go() {
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
    /// The load of keys that wait, where there are some.
    pub(super) fn next(&self) -> Option<BoxFuture<'static, ()>> {
        if !self.gathering.has_waiting() {
            return None;
        }
        let taken = self.gathering.take(self.most);
        let requests = taken.requests();
        let keys = requests.iter().map(|request| request.key.clone());
        let body = self.make.as_ref()?(keys.collect());
        let running = self.tasks.enter();
        taken.watch();
        let load = within_loads(taken, body, Arc::clone(&self.site), self.around.clone());
        Some(Box::pin(async move {
            let _running = running;
            load.await;
        }))
    }

    /// Loads all that wait, in tasks of their own. Keys that panic where they are looked at are given back to their
    /// callers: this may be part of an unwinding already.
    fn spawn(&self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let _ = catch_unwind(AssertUnwindSafe(|| {
            while let Some(load) = self.next() {
                tasks::spawn(&runtime, load);
            }
        }));
    }
}

/// Runs a body for the keys that were taken, as part of the load of each.
async fn within_loads<O>(
    taken: Taken<KeyOf<O>, Each<O>>,
    mut body: BoxFuture<'static, O>,
    site: Arc<SiteState>,
    around: Around,
) where
    O: Output,
    O::Error: Clone,
{
    let held = Held(&site.slots, Arc::clone(taken.slot()));
    let requests = taken.requests();
    let loads = requests.iter().filter_map(|request| request.load());
    let load = Load::of_all(&loads.collect::<Vec<_>>(), &held.1);
    held.take(load.as_deref()).await;
    if !taken.is_wanted() {
        return;
    }
    let output = poll_fn(|cx| {
        held.1
            .poll(cx, |cx| around.run(load.clone(), || body.as_mut().poll(cx)))
    })
    .await;
    match output.split() {
        Ok(mut map) => taken.answer(|key| Ok(map.take(key))),
        Err(error) => taken.answer(|_| Err(error.clone())),
    }
}

/// A slot of the function, until the load is over.
struct Held<'a>(&'a Arc<Slots>, Arc<Slot>);

impl Held<'_> {
    /// Waits for it, unless those who hold the others wait for this load.
    async fn take(&self, load: Option<&Load>) {
        let Self(slots, slot) = self;
        if slots.try_take(slot) {
            return;
        }
        let target = || Target::Slots(Arc::clone(slots));
        let waits = match load {
            Some(load) => wait(load, target()).map(Some),
            None => Some(None),
        };
        // Until it has it.
        let Some(_wait) = waits else {
            return;
        };
        let mut patience = Patience::default();
        poll_fn(|cx| slot.poll(cx, |cx| slots.poll_take(slot, &mut patience, cx))).await;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.free(&self.1);
    }
}

//! Functions of many keys: an entry for each key, one round trip for all that memory does not have, and one load for
//! those that nobody has.
//!
//! Each key is a call of its own, in a flight of its own, as that of any other function: so overlapping batches share
//! loads, and whatever holds for an entry holds here. Only the body of such a call is not the user's: it waits in a
//! [`Gathering`] until it is loaded together with others.

mod calls;
mod gathering;
mod output;

use std::{
    collections::HashSet,
    fmt,
    future::{Future, poll_fn},
    hash::Hash,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tokio::{runtime::Handle, task::JoinHandle};

pub use self::output::Output;
pub(crate) use self::output::{BatchKey, Each, KeyOf, Map};
use self::{
    calls::Calls,
    gathering::{Gathering, Taken},
};
use crate::{
    cache::Cache,
    call::{BoxFuture, Missed, Written, begin},
    context,
    event::Interests,
    flight::{Load, Target, wait},
    key::KeyWriter,
    site::{Instance, SiteState},
    slot::{Slot, Slots},
    tasks,
    value::{Answered, Keep, Returned, Shape},
    watchdog::Patience,
};

/// A call of a function of many keys, as its expansion describes it.
pub struct Batch<'a, S: Shape, X> {
    /// The function.
    pub instance: Instance,
    /// What there is for each key.
    pub returned: &'a Returned<S, X>,
    /// What becomes of it.
    pub keep: &'a Keep<S, X>,
    /// Another cache than that of the scope.
    pub cache: Option<&'a Cache>,
    /// How many keys one load has at most.
    pub most: usize,
}

impl<S: Shape, X> fmt::Debug for Batch<'_, S, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

/// What the expansion knows of one key.
pub struct Element<'a, K> {
    /// Writes the key of the entry.
    pub key: &'a (dyn Fn(&K, &mut KeyWriter) -> Written + Sync),
    /// Writes what the keys of one load have in common.
    pub common: &'a (dyn Fn(&mut KeyWriter) -> Written + Sync),
    /// Names the events that make the entry void.
    pub interests: Option<EventsOf<'a, K>>,
}

/// Names the events of a key.
type EventsOf<'a, K> = &'a (dyn Fn(&K, &mut Interests) + Sync);

impl<K> fmt::Debug for Element<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Element")
    }
}

impl<S, X> Batch<'_, S, X>
where
    S: Shape,
    X: 'static,
    S::Output: Send,
{
    /// Answers the call: from the tiers where they have a key, and with `load` for the others.
    ///
    /// A boxed future, so that the compiler says once what its types lack.
    pub fn run<'b, K, O, F>(
        &self,
        keys: impl IntoIterator<Item = K>,
        element: &Element<'_, K>,
        load: impl Fn(Vec<K>) -> F + Send + Sync + 'b,
    ) -> BoxFuture<'b, O>
    where
        S: Shape<Output = Each<O>>,
        K: BatchKey,
        O: Output<Map: Map<Key = K>> + 'static,
        O::Error: Clone + Send,
        F: Future<Output = O> + Send + 'static,
    {
        let mut calls = Calls::new(self.keep);
        let mut gathering = None;
        let reading = Arc::new(AtomicUsize::new(0));
        for key in distinct(keys) {
            match self.begin(&key, element) {
                Ok(answered) => calls.answer(key, answered),
                Err(mut missed) => {
                    let (_, _, gathering) = gathering.get_or_insert_with(|| {
                        let (site, gathering) =
                            missed.gathering::<Gathering<KeyOf<O>, Each<O>>>(element.common);
                        (missed.cache().clone(), site, gathering)
                    });
                    missed.reads_with(&reading);
                    calls.begin(key, missed, gathering);
                }
            }
        }
        let driving = gathering.map(|(cache, site, gathering)| Driving {
            cache,
            site,
            gathering,
            reading,
            most: self.most.max(1),
            load: Box::new(move |keys| boxed(load(keys))),
            yielding: None,
            loads: Vec::new(),
            own: Vec::new(),
        });
        Box::pin(async move {
            let answers = match driving {
                Some(driving) => driving.drive(calls).await,
                None => calls.into_answers(),
            };
            collect(answers)
        })
    }

    fn begin<K>(&self, key: &K, element: &Element<'_, K>) -> Result<Answered<S, X>, Box<Missed>> {
        let events = element
            .interests
            .map(|interests| move |events: &mut Interests| interests(key, events));
        begin(
            self.instance,
            self.returned,
            self.cache,
            &|writer: &mut KeyWriter| (element.key)(key, writer),
            events
                .as_ref()
                .map(|events| events as &dyn Fn(&mut Interests)),
        )
    }
}

fn boxed<O, F: Future<Output = O> + Send + 'static>(load: F) -> BoxLoad<O> {
    Box::pin(load)
}

type BoxLoad<O> = BoxFuture<'static, O>;

/// Makes the load of some keys.
type BoxMake<'a, O> = Box<dyn Fn(Vec<KeyOf<O>>) -> BoxLoad<O> + Send + Sync + 'a>;

/// Each key once, in their order.
fn distinct<K: Clone + Eq + Hash>(keys: impl IntoIterator<Item = K>) -> Vec<K> {
    let mut seen = HashSet::new();
    let keys = keys.into_iter();
    keys.filter(|key| seen.insert(key.clone())).collect()
}

/// The values that there are; the first error, where there is one.
fn collect<O: Output>(answers: Vec<(KeyOf<O>, Each<O>)>) -> O {
    let mut map = O::Map::empty();
    for (key, answer) in answers {
        match answer {
            Ok(Some(value)) => map.put(key, value),
            Ok(None) => {}
            Err(error) => return O::make(Err(error)),
        }
    }
    O::make(Ok(map))
}

/// The keys of one call, until all have their answers.
struct Driving<'a, O: Output> {
    cache: Cache,
    site: Arc<SiteState>,
    gathering: Arc<Gathering<KeyOf<O>, Each<O>>>,
    /// How many of the keys are being read from the shared tier.
    reading: Arc<AtomicUsize>,
    most: usize,
    load: BoxMake<'a, O>,
    /// Others have a chance to bring their keys.
    yielding: Option<BoxFuture<'static, ()>>,
    /// The loads that this call has begun.
    loads: Vec<JoinHandle<()>>,
    /// Those that run in this call, where there is no runtime to run them.
    own: Vec<BoxFuture<'a, ()>>,
}

impl<O> Driving<'_, O>
where
    O: Output + 'static,
    O::Error: Clone + Send,
    Each<O>: Send,
{
    /// Polls the calls of keys that have something new, and begins to load where that is all that is left to do.
    async fn drive<S, X>(mut self, mut calls: Calls<'_, O, S, X>) -> Vec<(KeyOf<O>, Each<O>)>
    where
        S: Shape<Output = Each<O>>,
        X: 'static,
    {
        calls.read_together(&self.cache, &self.gathering);
        poll_fn(|cx| {
            calls.poll(&self.cache, &self.gathering, cx);
            if calls.have_ended() {
                return Poll::Ready(());
            }
            if calls.have_all_been_polled() {
                self.begin_to_load(cx);
            }
            self.check_loads(cx);
            Poll::Pending
        })
        .await;
        calls.into_answers()
    }

    /// Hears of panics of the loads that this call has begun.
    fn check_loads(&mut self, cx: &mut Context<'_>) {
        self.own
            .retain_mut(|load| load.as_mut().poll(cx).is_pending());
        self.loads.retain_mut(|load| match Pin::new(load).poll(cx) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(error)) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => panic!("the runtime that ran this load was shut down: {error}"),
            },
        });
    }

    /// Begins to load the keys that wait, unless others may still come.
    fn begin_to_load(&mut self, cx: &mut Context<'_>) {
        if self.reading.load(Relaxed) > 0 || !self.gathering.has_waiting() {
            return;
        }
        // Not a wake of its own: that may come before those of others who wait for their turn.
        let yielding = self
            .yielding
            .get_or_insert_with(|| Box::pin(tokio::task::yield_now()));
        if yielding.as_mut().poll(cx).is_pending() {
            return;
        }
        self.yielding = None;
        while self.gathering.has_waiting() {
            let taken = self.gathering.take(self.most);
            let keys = taken.requests.iter().map(|request| request.key.clone());
            let body = (self.load)(keys.collect());
            let load = within_loads(taken, body, Arc::clone(&self.site), context::scope());
            match Handle::try_current() {
                Ok(runtime) => self.loads.push(tasks::spawn(&runtime, load)),
                Err(_) => self.own.push(Box::pin(load)),
            }
        }
    }
}

/// Runs a body for the keys that were taken, as part of the load of each.
async fn within_loads<O>(
    taken: Taken<KeyOf<O>, Each<O>>,
    mut body: BoxLoad<O>,
    site: Arc<SiteState>,
    scope: Option<Cache>,
) where
    O: Output,
    O::Error: Clone,
{
    let held = Held(&site.slots, Slot::new(true));
    let loads = taken.requests.iter().filter_map(|request| request.load());
    let load = Load::of_all(&loads.collect::<Vec<_>>(), &held.1);
    held.take(load.as_deref()).await;
    if !taken.is_wanted() {
        return;
    }
    let output = poll_fn(|cx| {
        held.1.poll(cx, |cx| match &load {
            Some(load) => context::within_load(load, scope.as_ref(), || body.as_mut().poll(cx)),
            None => body.as_mut().poll(cx),
        })
    })
    .await;
    match output.split() {
        Ok(mut map) => {
            for request in &taken.requests {
                request.answer(Ok(map.take(&request.key)));
            }
        }
        Err(error) => {
            for request in &taken.requests {
                request.answer(Err(error.clone()));
            }
        }
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

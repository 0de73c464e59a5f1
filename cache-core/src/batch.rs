//! Functions of many keys: an entry for each key, one round trip for all that memory does not have, and one load for
//! those that nobody has.
//!
//! Each key is a call of its own, in a flight of its own, as that of any other function: so overlapping batches share
//! loads, and whatever holds for an entry holds here. Only the body of such a call is not the user's: it waits in a
//! [`Gathering`] until it is loaded together with others.

mod calls;
mod gathering;
mod handle;
mod output;
#[cfg(all(test, shuttled))]
mod shuttled;
mod source;

use std::{
    any::TypeId,
    collections::HashSet,
    fmt,
    future::{Future, poll_fn},
    hash::Hash,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tokio::{runtime::Handle, task::JoinHandle};

pub use self::output::Output;
pub(crate) use self::output::{BatchKey, Each, KeyOf, Map};
use self::{
    calls::Calls,
    handle::{BatchHandle, Handled},
    source::{Begun, Make, Source},
};
use crate::{
    cache::Cache,
    call::{BoxFuture, Missed, begin},
    context,
    event::Interests,
    key::{KeyWriter, Written},
    site::Instance,
    tasks,
    value::{Keep, Returned, Shape},
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
    /// Answers the call: from the tiers where they have a key, and for the others with what `own` gives, which owns
    /// what it needs of the arguments.
    ///
    /// A boxed future, so that the compiler says once what its types lack.
    pub fn run<'b, K, O, L, F>(
        &self,
        keys: impl IntoIterator<Item = K>,
        element: &Element<'_, K>,
        own: impl FnOnce() -> L + Send + 'b,
    ) -> BoxFuture<'b, O>
    where
        S: Shape<Output = Each<O>>,
        K: BatchKey,
        O: Output<Map: Map<Key = K>> + 'static,
        O::Error: Clone + Send,
        L: Fn(Vec<K>) -> F + Send + Sync + 'static,
        F: Future<Output = O> + Send + 'static,
    {
        let mut calls = Calls::new(self.keep);
        let mut handle = Handled::<O>::of(context::take_question(TypeId::of::<O>()));
        let mut own = Some(move || -> Box<Make<O>> { made(own()) });
        let mut source = None;
        let keys = distinct(keys);
        if !handle
            .as_ref()
            .is_none_or(|handle| handle.takes(keys.len()))
        {
            return Box::pin(std::future::pending());
        }
        for key in keys {
            let (question, reply) = handle.as_mut().map(|handle| handle.ask(&key)).unzip();
            let begun = match question {
                Some(question) => context::asking(question, || self.begin(&key, element)),
                None => self.begin(&key, element),
            };
            match begun {
                Ok(output) => calls.answer(key, output),
                Err(missed) => {
                    let source = source.get_or_insert_with(|| {
                        let keeps_errors = self.keep.keeps_errors();
                        Source::new(&missed, element.common, self.most, own.take(), keeps_errors)
                    });
                    calls.begin(key, missed, source, reply);
                }
            }
        }
        let asked = handle.map(Handled::into_asked);
        Box::pin(async move {
            let answers = match source {
                Some(source) => Driving::new(source).drive(calls).await,
                None => calls.into_answers(),
            };
            if asked.is_some_and(BatchHandle::ends_without) {
                std::future::pending::<()>().await;
            }
            collect(answers)
        })
    }

    fn begin<K>(&self, key: &K, element: &Element<'_, K>) -> Result<S::Output, Box<Missed>> {
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

fn made<K, O, F>(load: impl Fn(Vec<K>) -> F + Send + Sync + 'static) -> Box<Make<O>>
where
    O: Output<Map: Map<Key = K>>,
    F: Future<Output = O> + Send + 'static,
{
    Box::new(move |keys| Box::pin(load(keys)))
}

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
    source: Source<'a, O>,
    /// Others have a chance to bring their keys.
    yielding: Option<BoxFuture<'static, ()>>,
    /// The loads that this call has begun, and whether they are of its own keys alone.
    loads: Vec<(JoinHandle<()>, Arc<AtomicBool>)>,
    /// Those that run in this call, where there is no runtime to run them, or it goes past the cache.
    here: Vec<Begun>,
}

impl<'a, O> Driving<'a, O>
where
    O: Output + 'static,
    O::Error: Clone + Send,
    Each<O>: Send,
{
    fn new(source: Source<'a, O>) -> Self {
        Self {
            source,
            yielding: None,
            loads: Vec::new(),
            here: Vec::new(),
        }
    }

    /// Polls the calls of keys that have something new, and begins to load where that is all that is left to do.
    async fn drive<S, X>(mut self, mut calls: Calls<'_, O, S, X>) -> Vec<(KeyOf<O>, Each<O>)>
    where
        S: Shape<Output = Each<O>>,
        X: 'static,
    {
        calls.read_together(&mut self.source);
        poll_fn(|cx| {
            calls.poll(&mut self.source, cx);
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

    /// Hears of panics of the loads that this call has begun. Where keys of others were among those, they are all given
    /// back, and each call finds out for itself.
    fn check_loads(&mut self, cx: &mut Context<'_>) {
        self.here.retain_mut(|Begun { load, is_own }| {
            match catch_unwind(AssertUnwindSafe(|| load.as_mut().poll(cx))) {
                Ok(polled) => polled.is_pending(),
                Err(panic) if is_own.load(Relaxed) => resume_unwind(panic),
                Err(_) => false,
            }
        });
        self.loads
            .retain_mut(|(load, is_own)| match Pin::new(load).poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Err(error)) if is_own.load(Relaxed) => match error.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    Err(error) => panic!("the runtime that ran this load was shut down: {error}"),
                },
                Poll::Ready(_) => false,
            });
    }

    /// Begins to load the keys that wait, unless others may still come.
    fn begin_to_load(&mut self, cx: &mut Context<'_>) {
        if !self.source.is_ready() {
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
        let runtime = Handle::try_current()
            .ok()
            .filter(|_| !self.source.is_uncached);
        let loader = self.source.loader();
        // A key of another call that panics is given back to that call: what is left is of this one.
        let begun = catch_unwind(AssertUnwindSafe(|| loader.take_all()));
        for Begun { load, is_own } in begun.unwrap_or_else(|_| loader.take_all()) {
            match &runtime {
                Some(runtime) => self.loads.push((tasks::spawn(runtime, load), is_own)),
                None => self.here.push(Begun { load, is_own }),
            }
        }
    }
}

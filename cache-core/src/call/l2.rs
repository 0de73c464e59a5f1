//! The shared tier as one call sees it: the way to its entry, and how the value comes back.

mod batch;
mod lease;

use std::{sync::Arc, time::Duration};

use super::{
    BoxFuture, Call,
    batch_read::{HasRead, Readers},
};
use crate::{
    cache::Cache,
    clock::{Nanos, nanos, system_now},
    coherence::{Doubt, Snapshot},
    flight::{Arrival, Load, Underway},
    l1::Node,
    l2::{
        Condition, Described, Entries, L2, Lease, One, Purpose, Read, Reading, RedisMiss, Route,
        Store, Teller, Way,
    },
    lock::Mutex,
    site::Site,
    stats::Counters,
    strategy::Decision,
    value::{Fate, Receiver, Travelling, Wire},
};

/// Two entries of a key that were created so close to each other are taken for the same.
const SAME_TIME: Duration = Duration::from_millis(10);

/// In a thousand seconds, two clocks come apart by less than one.
const DRIFT: Nanos = 1_000;

/// The readable key of a call.
pub(crate) struct Text {
    pub(super) text: String,
    /// Whether the shared tier was well when the call began.
    pub(super) admit_read: bool,
}

/// The shared tier of a cache. A table, made where one is described: programs without one hold nothing of it.
pub(crate) trait Shared: Teller {
    fn store(&self) -> Arc<dyn Store>;

    /// How long a call waits for it, in all.
    fn budget(&self) -> Duration;

    /// Whether it is worth asking. Every miss asks this first, and pays next to nothing for a no.
    fn admit_read(self: Arc<Self>) -> bool;

    /// The entry of a call with this key; nothing where the codec cannot carry the type.
    fn entry(
        self: Arc<Self>,
        call: &Call,
        site: &'static Site,
        text: &Text,
        travelling: Travelling,
    ) -> Option<Arc<dyn L2Entry>>;

    /// Reads for the calls of one batch. Gives each with its answer, where it has one; else it is to load.
    ///
    /// # Cancel safety
    ///
    /// As that of [`L2Entry::answer`].
    fn answer_all(self: Arc<Self>, readers: Readers) -> BoxFuture<'static, Vec<HasRead>>;

    /// How its servers are.
    fn condition(&self) -> Condition;

    /// How many writes are on their way.
    fn unsent(&self) -> usize;

    /// Sees to it that what waits is sent, where there is a runtime to send it on.
    fn start_sending(self: Arc<Self>);

    /// Waits until nothing is on its way.
    fn emptied(self: Arc<Self>) -> BoxFuture<'static, ()>;
}

impl Shared for L2 {
    fn store(&self) -> Arc<dyn Store> {
        self.store()
    }

    fn budget(&self) -> Duration {
        self.budget()
    }

    fn admit_read(self: Arc<Self>) -> bool {
        L2::admit_read(&self)
    }

    fn entry(
        self: Arc<Self>,
        call: &Call,
        site: &'static Site,
        text: &Text,
        travelling: Travelling,
    ) -> Option<Arc<dyn L2Entry>> {
        let Travelling {
            wire,
            compress_from,
            receive,
        } = travelling;
        let route = route(self, call, site, text, (wire, compress_from))?;
        Some(Arc::new(EntryInL2 {
            route,
            admit_read: text.admit_read,
            receive,
            lease: Mutex::default(),
        }))
    }

    fn answer_all(self: Arc<Self>, readers: Readers) -> BoxFuture<'static, Vec<HasRead>> {
        Box::pin(batch::answer_all(self, readers))
    }

    fn condition(&self) -> Condition {
        self.condition()
    }

    fn unsent(&self) -> usize {
        self.unsent()
    }

    fn start_sending(self: Arc<Self>) {
        L2::start_sending(&self);
    }

    fn emptied(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { L2::emptied(&self).await })
    }
}

/// The answer of the shared tier.
pub(crate) struct Found {
    pub(super) node: Arc<Node>,
    /// It was only on its way there, and is as old as it may be.
    pub(super) is_unsent: bool,
}

/// The entry of one call in the shared tier.
pub(crate) trait L2Entry: Send + Sync {
    /// The way to the entry.
    fn way(&self) -> &dyn Way;

    /// The entry, without a part in any flight.
    fn peek<'a>(&'a self, cache: &'a Cache, snapshot: &'a Snapshot) -> BoxFuture<'a, Read>;

    /// Answers a flight from the shared tier. Ends the load where there is an answer; else it is to go on,
    /// and told why, unless it was not to ask.
    ///
    /// # Cancel safety
    ///
    /// The next waiter asks for what is left of the time.
    fn answer<'a>(
        &'a self,
        cache: &'a Cache,
        underway: &'a mut Underway,
    ) -> BoxFuture<'a, Result<Found, Option<RedisMiss>>>;

    /// How long a caller waits for the shared tier.
    fn budget(&self) -> Duration;

    /// Whether the load reads, for all that time, and does nothing else before it begins.
    fn only_reads(&self, cache: &Cache, load: &Load) -> bool;

    /// What is read for it.
    fn one<'a>(&'a self, cache: &'a Cache, load: &'a Load) -> One<'a>;

    /// The load is over: what it gave is on its way, or it gave nothing.
    fn let_go(&self);
}

/// The entry of one call in Redis, or in what stands in for it.
struct EntryInL2 {
    route: Route,
    admit_read: bool,
    receive: Receiver,
    /// What this process has taken, so that others wait for its load.
    lease: Mutex<Option<Lease>>,
}

impl L2Entry for EntryInL2 {
    fn way(&self) -> &dyn Way {
        &self.route
    }

    fn peek<'a>(&'a self, cache: &'a Cache, snapshot: &'a Snapshot) -> BoxFuture<'a, Read> {
        Box::pin(async move {
            let within = self.route.l2.budget();
            self.read(cache, snapshot, within, Purpose::Peek).await
        })
    }

    fn answer<'a>(
        &'a self,
        cache: &'a Cache,
        underway: &'a mut Underway,
    ) -> BoxFuture<'a, Result<Found, Option<RedisMiss>>> {
        Box::pin(self.answer_flight(cache, underway))
    }

    fn budget(&self) -> Duration {
        self.route.l2.budget()
    }

    fn only_reads(&self, cache: &Cache, load: &Load) -> bool {
        let budget = self.budget();
        self.admit_read
            && !load.site().is_fleet
            && !load.is_renewal()
            && Self::suspect(cache, load).is_none()
            && load.time_to_read(budget) == Some(budget)
    }

    fn one<'a>(&'a self, cache: &'a Cache, load: &'a Load) -> One<'a> {
        let budget = self.budget();
        let reading = self.reading(cache, load.snapshot(), budget, Purpose::Load);
        self.route.one(reading)
    }

    fn let_go(&self) {
        self.give_back(true);
    }
}

/// A load that was given up holds up no other process.
impl Drop for EntryInL2 {
    fn drop(&mut self) {
        self.give_back(false);
    }
}

impl EntryInL2 {
    async fn read(
        &self,
        cache: &Cache,
        snapshot: &Snapshot,
        within: Duration,
        purpose: Purpose,
    ) -> Read {
        if !self.admit_read {
            return Read::without(RedisMiss::Unavailable);
        }
        let reading = self.reading(cache, snapshot, within, purpose);
        self.route.read(reading).await
    }

    fn reading<'a>(
        &'a self,
        cache: &'a Cache,
        snapshot: &'a Snapshot,
        within: Duration,
        purpose: Purpose,
    ) -> Reading<'a> {
        Reading {
            clock: cache.clock(),
            within,
            receive: &*self.receive,
            coherence: cache.coherence(),
            snapshot,
            purpose,
        }
    }

    /// The entry in memory, where all there is against it is that nobody knows whether it was invalidated, or not for how
    /// long that is known, and that can be found out.
    fn suspect(cache: &Cache, load: &Load) -> Option<Arc<Node>> {
        if load.is_renewal() || load.snapshot().is_empty() {
            return None;
        }
        let node = cache.flights().l1.get(&load.key().as_ref())?;
        let (entry, clock) = (node.entry(), cache.clock());
        let may_be_revalidated = match entry.doubt(clock) {
            Some(Doubt::Suspect) => true,
            Some(Doubt::Invalidated) => false,
            None => !load.is_succession(),
        };
        let is_suspect = entry.is_fresh(clock.now())
            && may_be_revalidated
            && entry.guard().is_some_and(|guard| guard.stamps().is_some())
            && !cache.coherence().doubts(entry.made(clock), system_now());
        is_suspect.then_some(node)
    }

    /// Asks for the versions of tags alone, and whether they are those of a suspect.
    async fn revalidate(
        &self,
        cache: &Cache,
        load: &Load,
        suspect: Arc<Node>,
        within: Duration,
    ) -> Option<Arc<Node>> {
        let (coherence, snapshot) = (cache.coherence(), load.snapshot());
        Counters::add(&coherence.counters.suspects);
        let read = self
            .read(cache, snapshot, within, Purpose::Revalidate)
            .await;
        let is_revalidated = Self::is_proven(cache, load, &suspect, &read);
        // The answer may have come late, and the caller too.
        let now = cache.clock().now();
        Some(suspect).filter(|suspect| is_revalidated && suspect.entry().is_fresh(now))
    }

    /// Whether these versions prove a suspect. What they refute does not stand in for a load that fails either.
    fn is_proven(cache: &Cache, load: &Load, suspect: &Arc<Node>, read: &Read) -> bool {
        let Some((guard, (stamps, sent))) = suspect.entry().guard().zip(read.stamps.as_ref())
        else {
            return false;
        };
        let is_revalidated = guard.revalidate(load.snapshot(), *sent, stamps);
        if is_revalidated {
            Counters::add(&cache.coherence().counters.revalidated);
        } else if guard.is_refuted_by(stamps) {
            cache.flights().drop_entry(load.key(), suspect);
        }
        is_revalidated
    }

    /// What may stand in for a load that fails, if versions that are asked for from here on prove it.
    fn aged_suspect(cache: &Cache, load: &Load) -> Option<Arc<Node>> {
        load.site().aging.as_ref()?;
        let node = cache.flights().l1.get(&load.key().as_ref())?;
        let (entry, clock) = (node.entry(), cache.clock());
        let is_suspect = entry.doubt(clock) == Some(Doubt::Suspect)
            && !cache.coherence().doubts(entry.made(clock), system_now());
        is_suspect.then_some(node)
    }

    /// What is made of a read: it also proves a suspect that may stand in, or refutes it.
    fn sifted(cache: &Cache, load: &Load, suspect: Option<Arc<Node>>, mut read: Read) -> Read {
        if let Some(suspect) = suspect {
            Counters::add(&cache.coherence().counters.suspects);
            Self::is_proven(cache, load, &suspect, &read);
        }
        read.found = read.found.and_then(|node| Self::sift(cache, load, node));
        read
    }

    /// Reads for a load.
    async fn look(&self, cache: &Cache, load: &Load, within: Duration, purpose: Purpose) -> Read {
        let suspect = Self::aged_suspect(cache, load);
        let read = self.read(cache, load.snapshot(), within, purpose).await;
        Self::sifted(cache, load, suspect, read)
    }

    async fn answer_flight(
        &self,
        cache: &Cache,
        underway: &mut Underway,
    ) -> Result<Found, Option<RedisMiss>> {
        let load = Arc::clone(underway.load().expect("the load has not ended"));
        let budget = self.route.l2.budget();
        let Some(within) = load.time_to_read(budget) else {
            return Err(load.redis_miss());
        };
        // Whoever is left unpolled loses the turn when the time is over.
        load.slot.pause(within);
        if let Some(suspect) = Self::suspect(cache, &load)
            && let Some(node) = self.revalidate(cache, &load, suspect, within).await
        {
            Self::arrive(cache, underway, &node, Fate::Leave);
            return Ok(Found {
                node,
                is_unsent: false,
            });
        }
        let purpose = if load.is_renewal() {
            Purpose::Renew
        } else {
            Purpose::Load
        };
        let Some(within) = load.time_to_read(budget) else {
            return Err(load.redis_miss());
        };
        let mut read = self.look(cache, &load, within, purpose).await;
        if purpose == Purpose::Load && lease::takes_turns(&load) {
            read = self.wait_for_fleet(cache, &load, read).await;
        }
        Self::end(cache, underway, &load, read).map_err(Some)
    }

    /// Ends a flight with what was read, or has it go on.
    fn end(
        cache: &Cache,
        underway: &mut Underway,
        load: &Load,
        read: Read,
    ) -> Result<Found, RedisMiss> {
        match read.found {
            Ok(node) => {
                let is_current = cache.coherence().is_current(load.snapshot());
                let fate = if is_current { Fate::Keep } else { Fate::Leave };
                Self::arrive(cache, underway, &node, fate);
                Ok(Found {
                    node,
                    is_unsent: read.is_unsent,
                })
            }
            Err(miss) => {
                load.note_miss(miss, read.stamps.map(|(stamps, _)| stamps));
                load.slot.go_on();
                Err(miss)
            }
        }
    }

    /// What answers a flight, of what the shared tier has: not what is to be replaced, where its successor is looked for;
    /// nor what only stands in for one.
    fn sift(cache: &Cache, load: &Load, node: Arc<Node>) -> Result<Arc<Node>, RedisMiss> {
        let (entry, clock) = (node.entry(), cache.clock());
        if entry.is_quiet(clock) {
            return Ok(node);
        }
        match entry.on_read(clock) {
            Decision::Serve | Decision::ServeAndRefresh if Self::is_news(cache, load, &node) => {
                Ok(node)
            }
            Decision::Decline if cache.coherence().is_current(load.snapshot()) => {
                load.keep_stale(&node);
                Err(RedisMiss::Expired)
            }
            _ => Err(RedisMiss::Expired),
        }
    }

    /// Whether it is newer than what is to be replaced, where its successor is looked for. The same entry is not: when it
    /// was created comes back as the server's clock tells it, which is a little off, and the more so the older it is.
    fn is_news(cache: &Cache, load: &Load, node: &Node) -> bool {
        if !load.is_succession() {
            return true;
        }
        let old = cache.flights().l1.get(&load.key().as_ref());
        old.is_some_and(|old| {
            let [old, new] = [&old, node].map(|node| node.entry().created());
            let drift = cache.clock().now().saturating_sub(old) / DRIFT;
            new.saturating_sub(old) > nanos(SAME_TIME) + drift
        })
    }

    /// Ends a flight with what the shared tier knew.
    fn arrive(cache: &Cache, underway: &mut Underway, node: &Arc<Node>, fate: Fate) {
        underway.complete(&Arrival {
            node,
            fate,
            clock: cache.clock(),
            route: None,
            notice: None,
            load_time: Duration::ZERO,
            replaces: false,
            is_absent: false,
        });
    }
}

fn route(
    l2: Arc<L2>,
    call: &Call,
    site: &'static Site,
    text: &Text,
    (wire, compress_from): (Wire, Option<usize>),
) -> Option<Route> {
    let state = &call.site;
    if !state.is_shared {
        return None;
    }
    let entries = state.entries(&|| {
        let described = Described {
            namespace: call.cache.namespace(),
            function: &state.name,
            key_shape: site.key_shape(),
        };
        let known = (Arc::clone(&state.counters), Arc::clone(&state.outlives));
        Entries::new(&described, wire, compress_from, known)
    })?;
    let key = entries.key(&text.text, call.key.digest());
    Some(Route::new(l2, Arc::clone(entries), key))
}

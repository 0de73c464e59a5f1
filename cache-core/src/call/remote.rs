//! The shared tier as one call sees it: the way to its entry, and how the value comes back.

use std::{sync::Arc, time::Duration};

use super::Call;
use crate::{
    cache::Cache,
    clock::system_now,
    coherence::{Doubt, Snapshot},
    flight::{Arrival, Load, Underway},
    l1::Stored,
    l2::{Described, Entries, Purpose, Read, Reading, RedisMiss, Route, Way},
    site::Site,
    stats::Counters,
    value::{Fate, Receiver, Travelling, Wire},
};

/// The readable key of a call.
pub(super) struct Text {
    pub(super) text: String,
    /// Whether the shared tier was well when the call began.
    pub(super) is_worth_asking: bool,
}

/// The entry of one call in the shared tier.
#[derive(Clone)]
pub(super) struct Remote {
    route: Route,
    is_worth_asking: bool,
    receive: Receiver,
}

impl Remote {
    /// The entry of a call with this key; nothing where there is no shared tier or the codec cannot carry the type.
    pub(super) fn new(
        call: &Call,
        site: &'static Site,
        text: &Text,
        travelling: Travelling,
    ) -> Option<Self> {
        let Travelling {
            wire,
            compress_from,
            receive,
        } = travelling;
        let route = route(call, site, text, (wire, compress_from))?;
        Some(Self {
            route,
            is_worth_asking: text.is_worth_asking,
            receive,
        })
    }

    /// The way to the entry.
    pub(super) fn route(&self) -> &Route {
        &self.route
    }

    /// The entry, without a part in any flight.
    pub(super) async fn peek(&self, cache: &Cache, snapshot: &Snapshot) -> Read {
        let within = self.route().l2.budget();
        self.read(cache, snapshot, within, Purpose::Peek).await
    }

    async fn read(
        &self,
        cache: &Cache,
        snapshot: &Snapshot,
        within: Duration,
        purpose: Purpose,
    ) -> Read {
        if !self.is_worth_asking {
            return Read::without(RedisMiss::Unavailable);
        }
        let reading = Reading {
            clock: cache.clock(),
            within,
            receive: &*self.receive,
            coherence: cache.coherence(),
            snapshot,
            purpose,
        };
        self.route().read(&reading).await
    }

    /// The entry in memory, where all there is against it is that nobody knows whether it was invalidated, and
    /// that can be found out.
    fn suspect(cache: &Cache, load: &Load) -> Option<Arc<dyn Stored>> {
        if load.is_renewal() || load.snapshot().is_empty() {
            return None;
        }
        let node = cache.flights().l1.get(&load.key().as_ref())?;
        let (entry, clock) = (node.entry(), cache.clock());
        let is_suspect = entry.is_fresh(clock.now())
            && entry.doubt(clock) == Some(Doubt::Suspect)
            && entry.guard().is_some_and(|guard| guard.stamps().is_some())
            && !cache.coherence().doubts(entry.made(clock), system_now());
        is_suspect.then_some(node)
    }

    /// Asks for the versions of tags alone, and whether they are those of a suspect.
    async fn bless(
        &self,
        cache: &Cache,
        load: &Load,
        suspect: Arc<dyn Stored>,
        within: Duration,
    ) -> Option<Arc<dyn Stored>> {
        let (coherence, snapshot) = (cache.coherence(), load.snapshot());
        Counters::add(&coherence.counters.suspects);
        let read = self.read(cache, snapshot, within, Purpose::Bless).await;
        let (stamps, sent) = read.stamps?;
        let guard = suspect.entry().guard()?;
        if !guard.bless(snapshot, sent, &stamps) {
            return None;
        }
        Counters::add(&coherence.counters.blessed);
        Some(suspect)
    }

    /// Answers a flight from the shared tier. Ends the load where there is an answer, and tells whether it was only on
    /// its way there, as old as it may be; else the load is to go on, and told why, unless it was not to ask.
    ///
    /// # Cancel safety
    ///
    /// The next waiter asks for what is left of the time.
    pub(super) async fn answer(
        &self,
        cache: &Cache,
        underway: &mut Underway,
    ) -> Result<(Arc<dyn Stored>, bool), Option<RedisMiss>> {
        let load = Arc::clone(underway.load().expect("the load has not ended"));
        let budget = self.route().l2.budget();
        let Some(within) = load.time_to_read(budget) else {
            return Err(load.redis_miss());
        };
        // Whoever is left unpolled loses the turn when the time is over.
        load.slot.pause(within);
        if let Some(suspect) = Self::suspect(cache, &load)
            && let Some(node) = self.bless(cache, &load, suspect, within).await
        {
            Self::arrive(cache, underway, &node, Fate::Leave);
            return Ok((node, false));
        }
        let purpose = if load.is_renewal() {
            Purpose::Renew
        } else {
            Purpose::Load
        };
        let Some(within) = load.time_to_read(budget) else {
            return Err(load.redis_miss());
        };
        let read = self.read(cache, load.snapshot(), within, purpose).await;
        match read.found {
            Ok(node) => {
                let is_current = cache.coherence().is_current(load.snapshot());
                let fate = if is_current { Fate::Keep } else { Fate::Leave };
                Self::arrive(cache, underway, &node, fate);
                Ok((node, read.is_unsent))
            }
            Err(miss) => {
                load.has_read(miss, read.stamps.map(|(stamps, _)| stamps));
                load.slot.resume(false);
                Err(Some(miss))
            }
        }
    }

    /// Ends a flight with what the shared tier knew.
    fn arrive(cache: &Cache, underway: &mut Underway, node: &Arc<dyn Stored>, fate: Fate) {
        underway.complete(&Arrival {
            node,
            fate,
            clock: cache.clock(),
            way: &Way::default(),
            load_time: Duration::ZERO,
            replaces: false,
            is_absent: false,
        });
    }
}

fn route(
    call: &Call,
    site: &'static Site,
    text: &Text,
    (wire, compress_from): (Wire, Option<usize>),
) -> Option<Route> {
    let state = &call.site;
    let l2 = call.cache.l2().filter(|_| state.is_shared)?;
    let entries = state.entries(&|| {
        let described = Described {
            namespace: call.cache.namespace(),
            function: &state.name,
            key_shape: site.key_shape(),
        };
        let counters = Arc::clone(&state.counters);
        Entries::new(&described, wire, compress_from, counters)
    })?;
    Some(Route {
        l2: Arc::clone(l2),
        entries: Arc::clone(entries),
        key: entries.key(&text.text, call.key.digest()),
    })
}

//! The shared tier as one call sees it: the way to its entry, and how the value comes back.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::oneshot, time::timeout};

use super::Call;
use crate::{
    cache::Cache,
    flight::{Arrival, Underway},
    key::Key,
    l1::Stored,
    l2::{Described, Entries, RedisMiss, Route},
    site::Site,
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
    pub(super) async fn peek(&self, cache: &Cache) -> Result<Arc<dyn Stored>, RedisMiss> {
        self.read(cache, self.route().l2.budget()).await
    }

    async fn read(&self, cache: &Cache, within: Duration) -> Result<Arc<dyn Stored>, RedisMiss> {
        if !self.is_worth_asking {
            return Err(RedisMiss::Unavailable);
        }
        let times = (cache.clock().now(), within);
        self.route().read(times, &*self.receive).await
    }

    /// Answers a flight from the shared tier. Ends the load where there is an answer; else it is to go on,
    /// and told why, unless it was not to ask.
    ///
    /// # Cancel safety
    ///
    /// The next waiter asks for what is left of the time.
    pub(super) async fn answer(
        &self,
        cache: &Cache,
        underway: &mut Underway,
    ) -> Result<Arc<dyn Stored>, Option<RedisMiss>> {
        let load = Arc::clone(underway.load().expect("the load has not ended"));
        let Some(within) = load.time_to_read(self.route().l2.budget()) else {
            return Err(load.redis_miss());
        };
        // Whoever is left unpolled loses the turn when the time is over.
        load.slot.pause(within);
        match self.read(cache, within).await {
            Ok(node) => {
                underway.complete(&Arrival {
                    node: &node,
                    fate: Fate::Keep,
                    now: cache.clock().now(),
                    route: None,
                    load_time: Duration::ZERO,
                    replaces: false,
                    is_absent: false,
                });
                Ok(node)
            }
            Err(miss) => {
                load.has_read(miss);
                load.slot.resume(false);
                Err(Some(miss))
            }
        }
    }

    /// Removes the entry in both tiers; waits until Redis was told, within the budget.
    pub(super) async fn evict(&self, cache: &Cache, key: &Key) {
        let (done, is_done) = oneshot::channel();
        cache.flights().evict(key, Some((self.route(), done)));
        // Outside a runtime nobody sends it, and late is not an error: it is sent when it can be.
        if Handle::try_current().is_ok() {
            let _ = timeout(self.route().l2.budget(), is_done).await;
        }
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

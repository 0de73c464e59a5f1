//! What is known of one annotated function: its static description, and its live state in one cache.

mod in_vain;
mod instance;
mod state;
mod states;

use std::{sync::Arc, time::Duration};

use tokio::runtime::Handle;

pub use self::instance::Instance;
pub(crate) use self::{
    state::{Outlives, SiteState},
    states::{Named, Policies, SiteStates},
};
use crate::{
    cache::Cache,
    call::{Body, BoxFuture, ByEvents, Call, FlightChoice, Flown, Guarding, Running, aging},
    flight::{Load, Member, Underway},
    l1::{Node, Terms, terms},
    strategy::{Life, Strategy},
};

/// Which tiers hold the entries of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tiers {
    /// Memory of this process and the shared tier.
    Both,
    /// Memory of this process only.
    Memory,
    /// The shared tier only.
    Redis,
}

/// What is known of one annotated function before it runs.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the function"
)]
#[derive(Debug)]
pub struct Site {
    name: Option<&'static str>,
    version: u32,
    tiers: Tiers,
    max_concurrent_loads: u32,
    key: &'static str,
    inherits: bool,
    fleet: bool,
    is_batched: bool,
    settle: Duration,
    events: Option<&'static dyn Guarding>,
    is_late: bool,
    is_named_by_value: bool,
    aging: Option<&'static Aging>,
}

/// What becomes of the values of a function as they grow old. Pointers that only strategies hold: programs without one
/// have no code for them.
#[derive(Clone, Copy, Debug)]
pub struct Aging {
    pub(crate) strategy: Strategy,
    /// Makes the terms of an entry.
    pub(crate) terms: fn(Strategy, Life, f64) -> Box<dyn Terms>,
    /// Answers a call that is not answered without a thought.
    pub(crate) fly: Fly,
    /// Loads in a task of its own, for a caller who may not wait for it to the end.
    pub(crate) lead: Lead,
    /// Begins to load the successor of an entry that is served.
    pub(crate) refresh: fn(&Call, &Arc<Node>, Body<'_>),
    /// What is served since a load has failed that the call waited for.
    pub(crate) stand_in: fn(&Call, &Underway, bool) -> Option<Arc<Node>>,
    /// What was to be replaced by a load that failed is not tried to be at once again.
    pub(crate) put_off: fn(&Cache, &Load, bool),
}

impl Aging {
    /// By this strategy.
    #[must_use]
    pub const fn by(strategy: Strategy) -> Self {
        Self {
            strategy,
            terms: terms::terms,
            fly: aging::fly,
            lead: aging::lead,
            refresh: aging::refresh,
            stand_in: aging::stand_in,
            put_off: aging::put_off,
        }
    }
}

/// Answers a call; by the entry, where one is found that is to be served while its successor is loaded.
pub(crate) type Fly =
    for<'a> fn(&'a Call, Option<Arc<Node>>, FlightChoice, Body<'a>) -> BoxFuture<'a, Flown>;

pub(crate) type Lead = fn(
    &Call,
    (Member, Underway),
    Option<Arc<Load>>,
    Running<'static>,
    &Handle,
) -> BoxFuture<'static, Flown>;

impl Site {
    /// A site with the defaults of every option.
    #[must_use]
    #[allow(
        clippy::new_without_default,
        reason = "only expansions make sites, in statics"
    )]
    pub const fn new() -> Self {
        Self {
            name: None,
            version: 0,
            tiers: Tiers::Both,
            max_concurrent_loads: 16,
            key: "",
            inherits: false,
            fleet: false,
            is_batched: false,
            settle: Duration::ZERO,
            events: None,
            is_late: false,
            is_named_by_value: false,
            aging: None,
        }
    }

    /// The option `name`.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// The option `version`.
    #[must_use]
    pub const fn versioned(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// The option `tiers`.
    #[must_use]
    pub const fn tiers(mut self, tiers: Tiers) -> Self {
        self.tiers = tiers;
        self
    }

    /// The option `max_concurrent_loads`.
    #[must_use]
    pub const fn max_concurrent_loads(mut self, loads: u32) -> Self {
        self.max_concurrent_loads = loads;
        self
    }

    /// What the key is made of: a text key, or its expressions, or its arguments with their types.
    #[must_use]
    pub const fn keyed(mut self, shape: &'static str) -> Self {
        self.key = shape;
        self
    }

    /// The option `invalidate_on`; `late` where the events are known only from the value.
    #[must_use]
    pub const fn invalidated(mut self, late: bool) -> Self {
        self.events = Some(&ByEvents);
        self.is_late |= late;
        self.is_named_by_value |= late;
        self
    }

    /// The option `inherits`.
    #[must_use]
    pub const fn inherits(mut self) -> Self {
        self.events = Some(&ByEvents);
        self.inherits = true;
        self.is_late = true;
        self
    }

    /// The option `fleet`.
    #[must_use]
    pub const fn fleet(mut self) -> Self {
        self.fleet = true;
        self
    }

    /// The option `batch`.
    #[must_use]
    pub const fn batched(mut self) -> Self {
        self.is_batched = true;
        self
    }

    /// The option `settle`.
    #[must_use]
    pub const fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }

    /// The option `strategy`, and the options `soft_timeout` and `timeout`.
    #[must_use]
    pub const fn aging(mut self, aging: &'static Aging) -> Self {
        self.aging = Some(aging);
        self
    }

    /// What events have its calls do, where there are some.
    pub(crate) fn events(&self) -> Option<&'static dyn Guarding> {
        self.events
    }

    /// Whether the function takes over the events of those that its loads reach.
    pub(crate) fn is_inheriting(&self) -> bool {
        self.inherits
    }

    /// Whether it is a function of many keys.
    pub(crate) fn is_batched(&self) -> bool {
        self.is_batched
    }

    /// How long the source may lag behind a change.
    pub(crate) fn settles_in(&self) -> Duration {
        self.settle
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        self.tiers != Tiers::Redis
    }

    /// What inherits goes no further than its process: nobody knows what to compare with the versions of, before the
    /// load that finds out.
    pub(crate) fn is_shared(&self) -> bool {
        self.tiers != Tiers::Memory && !self.inherits
    }

    pub(crate) fn key_shape(&self) -> &'static str {
        self.key
    }
}

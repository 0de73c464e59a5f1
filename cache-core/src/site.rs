//! What is known of one annotated function: its static description, and its live state in one cache.

use std::{
    any::{Any, TypeId},
    cell::Cell,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::runtime::Handle;

use crate::{
    call::{Body, BoxFuture, Call, Flown, Place, aging},
    error::Error,
    flight::{Load, Member, Underway},
    l1::{Node, Terms, terms},
    l2::Entries,
    lock::{Mutex, RwLock},
    policy::Policy,
    slot::Slots,
    stats::{Counters, is_called},
    strategy::{Life, Strategy},
    value::Loaded,
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

/// The static that stands for one annotated function.
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
    /// Gives up a load that nobody waits for, where it takes too long.
    pub(crate) bound: fn(Arc<SiteState>, BoxFuture<'static, ()>) -> BoxFuture<'static, ()>,
    /// Begins to load the successor of an entry that is served.
    pub(crate) refresh: fn(&Call, &Arc<Node>, Body<'_>),
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
            bound: aging::bound,
            refresh: aging::refresh,
        }
    }
}

/// Answers a call; by the entry, where one is found that is to be served while its successor is loaded.
pub(crate) type Fly =
    for<'a> fn(&'a Call, Option<Arc<Node>>, Place, Body<'a>) -> BoxFuture<'a, Flown>;

pub(crate) type Lead = fn(
    &Call,
    (Member, Underway),
    Option<Arc<Load>>,
    BoxFuture<'static, Loaded>,
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

    /// The option `inherits`.
    #[must_use]
    pub const fn inherits(mut self) -> Self {
        self.inherits = true;
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

    /// Whether the function takes over the events of those that its loads reach.
    pub(crate) fn is_inheriting(&self) -> bool {
        self.inherits
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

/// One instantiation of an annotated function: what its entries in every tier are told apart by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instance {
    pub(crate) site: &'static Site,
    /// The type of a closure in the expansion: unique per function and per type parameters.
    pub(crate) id: TypeId,
    /// The name of that closure's type.
    pub(crate) type_name: &'static str,
}

/// What the compiler calls a closure, and a block of an `async fn`.
const CLOSURE: &str = "::{{closure}}";

impl Instance {
    pub(crate) fn new(site: &'static Site, id: TypeId, type_name: &'static str) -> Self {
        Self {
            site,
            id,
            type_name,
        }
    }

    /// Whether a closure or a block of an `async fn` is part of its path: others have the same name then.
    fn is_nameless(&self) -> bool {
        let path = self.path();
        let parameters = type_parameters(path);
        let part = if self.site.name.is_some() {
            &parameters
        } else {
            path
        };
        part.as_bytes()
            .windows(CLOSURE.len())
            .any(|window| window == CLOSURE.as_bytes())
    }

    fn path(&self) -> &'static str {
        let mut path = self.type_name;
        while let Some(shorter) = path.strip_suffix(CLOSURE) {
            path = shorter;
        }
        path
    }

    /// The readable name: module, implementing type, function and type parameters, or the option
    /// `name` with those type parameters; `@version` where there is one.
    fn name(&self) -> String {
        let path = self.path();
        let mut name = match self.site.name {
            Some(name) => format!("{name}{}", type_parameters(path)),
            None => path.to_owned(),
        };
        if self.site.version != 0 {
            name = format!("{name}@{}", self.site.version);
        }
        name
    }
}

/// The type parameters in a path: every list in angle brackets that belongs to a name.
///
/// Those of `<shop::Store<u8> as shop::Named<u16>>::find<u32>` are `<u8><u16><u32>`.
fn type_parameters(path: &str) -> String {
    let mut parameters = String::new();
    let mut depth = 0;
    let mut before = ' ';
    for c in path.chars() {
        match c {
            // A list inside a list is part of it; one after nothing is a type with its trait.
            '<' if depth > 0 || before.is_alphanumeric() || before == '_' => depth += 1,
            // `->` in the type of a function.
            '>' if before != '-' && depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    parameters.push('>');
                }
            }
            _ => {}
        }
        if depth > 0 {
            parameters.push(c);
        }
        before = c;
    }
    parameters
}

thread_local! {
    /// This thread is looking into a value's type.
    static DESCRIBES: Cell<bool> = const { Cell::new(false) };
}

/// Keys of a type that only their function knows.
type Gathered = Weak<dyn Any + Send + Sync>;

/// The live state of one [`Instance`] in one cache.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the function"
)]
#[derive(Debug)]
pub(crate) struct SiteState {
    pub(crate) name: String,
    pub(crate) counters: Arc<Counters>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) is_in_memory: bool,
    pub(crate) is_shared: bool,
    /// Its values depend on what those depend on that they are made of.
    pub(crate) inherits: bool,
    /// How long after a change a replica may still have what was before.
    pub(crate) settle: Duration,
    /// One process of all is to load.
    pub(crate) is_fleet: bool,
    /// Many keys are loaded in one go: the load of one needs no slot.
    pub(crate) is_batched: bool,
    /// Where those wait, by what they have in common.
    gatherings: Mutex<Vec<(Box<[u8]>, Gathered)>>,
    /// What the configuration says.
    pub(crate) policy: Option<Arc<Policy>>,
    pub(crate) aging: Option<Aging>,
    /// Made when the function first meets a shared tier; nothing where its values cannot travel.
    entries: OnceLock<Option<Arc<Entries>>>,
    warned_of_recursion: AtomicBool,
    /// Functions that loads of this one reach, with events that it does not list.
    warned_of: Mutex<Vec<(String, String)>>,
}

impl SiteState {
    fn new(instance: &Instance, policies: &Policies) -> Self {
        let name = instance.name();
        let policy = policies.as_ref().and_then(|policies| policies.of(&name));
        let loads = policy
            .as_ref()
            .and_then(|policy| policy.max_concurrent_loads);
        let loads = loads.unwrap_or(instance.site.max_concurrent_loads);
        let mut aging = instance.site.aging.copied();
        if let (Some(policies), Some(policy)) = (policies, &policy) {
            aging = policies.aging(policy, aging);
        }
        Self {
            name,
            counters: Arc::default(),
            slots: Arc::new(Slots::new(loads as usize)),
            is_in_memory: instance.site.is_in_memory(),
            is_shared: instance.site.is_shared(),
            inherits: instance.site.is_inheriting(),
            settle: instance.site.settles_in(),
            is_fleet: instance.site.fleet,
            is_batched: instance.site.is_batched,
            gatherings: Mutex::default(),
            policy,
            aging,
            entries: OnceLock::new(),
            warned_of_recursion: AtomicBool::new(false),
            warned_of: Mutex::default(),
        }
    }

    /// The entries of the function in the shared tier, described at the first call; nothing where its
    /// values cannot travel, which is said once.
    pub(crate) fn entries(
        &self,
        describe: &dyn Fn() -> Result<Entries, String>,
    ) -> Option<&Arc<Entries>> {
        if let Some(entries) = self.entries.get() {
            return entries.as_ref();
        }
        // Not under a lock: it runs the value's `Deserialize`, which may reach this very function.
        if DESCRIBES.replace(true) {
            return None;
        }
        let described = describe().map(Arc::new);
        DESCRIBES.set(false);
        self.entries.get_or_init(|| {
            described
                .map_err(|reason| self.warn_of_staying(&reason))
                .ok()
        });
        self.entries.get().and_then(Option::as_ref)
    }

    fn warn_of_staying(&self, reason: &str) {
        tracing::warn!(
            function = self.name,
            "values of this function are not shared with other processes: {reason}"
        );
    }

    /// Where the keys wait that have this in common.
    pub(crate) fn gathering<T: Any + Send + Sync>(
        &self,
        common: &[u8],
        new: impl FnOnce() -> T,
    ) -> Arc<T> {
        let mut gatherings = self.gatherings.lock();
        let known = gatherings.iter().find(|(known, _)| **known == *common);
        let known = known.and_then(|(_, gathering)| gathering.upgrade());
        if let Some(Ok(known)) = known.map(Arc::downcast) {
            return known;
        }
        gatherings.retain(|(_, gathering)| gathering.strong_count() > 0);
        let made = Arc::new(new());
        let gathering: Weak<T> = Arc::downgrade(&made);
        gatherings.push((common.into(), gathering));
        made
    }

    /// Whether the function is not to be cached.
    pub(crate) fn is_off(&self) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.off)
    }

    /// Whether it is known that values of the function cannot travel.
    pub(crate) fn cannot_travel(&self) -> bool {
        matches!(self.entries.get(), Some(None))
    }

    /// Says once for each inner function that a value of this one outlives what it was made of.
    pub(crate) fn warn_of_unlisted(&self, inner: &Self, event: &str) {
        let pair = (inner.name.clone(), event.to_owned());
        let mut warned_of = self.warned_of.lock();
        if warned_of.contains(&pair) {
            return;
        }
        warned_of.push(pair);
        drop(warned_of);
        tracing::warn!(
            function = self.name,
            inner = inner.name,
            "its loads call a function that `{event}` invalidates, which it does not list: its own entries outlive \
             that event. Add `{event}` to its `invalidate_on`, or write `inherits`"
        );
    }

    /// Says once per function that a load reached its own key.
    pub(crate) fn warn_of_recursion(&self) {
        if !self.warned_of_recursion.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                function = self.name,
                "a load reached its own key: the inner call runs uncached"
            );
        }
    }
}

/// The states of all functions that a cache has met, in the order of their types.
#[derive(Debug)]
pub(crate) struct SiteStates {
    known: RwLock<Vec<(TypeId, Arc<SiteState>)>>,
    policies: Policies,
}

/// What a configuration says of functions. A table that only the option fills: programs without one have no code for it.
pub(crate) trait Book: std::fmt::Debug + Send + Sync {
    /// What it says of a function of this name.
    fn of(&self, function: &str) -> Option<Arc<Policy>>;

    /// What becomes of the values of a function then, of which its attribute says this.
    fn aging(&self, policy: &Policy, own: Option<Aging>) -> Option<Aging>;

    /// # Errors
    ///
    /// What makes no sense in it.
    fn check(&self) -> Result<(), Error>;
}

pub(crate) type Policies = Option<Arc<dyn Book>>;

/// Policies by the names of functions.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) Vec<(String, Arc<Policy>)>);

impl Book for Named {
    fn of(&self, function: &str) -> Option<Arc<Policy>> {
        let policies = self.0.iter();
        let fitting = policies.filter(|(name, _)| is_called(function, name));
        let longest = fitting.max_by_key(|(name, _)| name.len());
        longest.map(|(_, policy)| Arc::clone(policy))
    }

    fn aging(&self, policy: &Policy, own: Option<Aging>) -> Option<Aging> {
        policy.strategy(own.map(|own| own.strategy)).map(Aging::by)
    }

    fn check(&self) -> Result<(), Error> {
        self.0
            .iter()
            .try_for_each(|(name, policy)| policy.check(name))
    }
}

impl SiteStates {
    pub(crate) fn new(policies: Policies) -> Self {
        Self {
            known: RwLock::default(),
            policies,
        }
    }

    pub(crate) fn of(&self, instance: &Instance) -> Arc<SiteState> {
        let place = |known: &[(TypeId, _)]| known.binary_search_by_key(&instance.id, |(id, _)| *id);
        let known = self.known.read();
        if let Ok(place) = place(&known) {
            return Arc::clone(&known[place].1);
        }
        drop(known);
        let mut state = SiteState::new(instance, &self.policies);
        let mut known = self.known.write();
        let place = match place(&known) {
            Ok(place) => return Arc::clone(&known[place].1),
            Err(place) => place,
        };
        let is_named_so = |(_, other): &(_, Arc<SiteState>)| other.name == state.name;
        let is_taken = instance.site.name.is_none() && known.iter().any(is_named_so);
        if state.is_shared && (is_taken || instance.is_nameless()) {
            state.is_shared = false;
            state.warn_of_staying(
                "another function may have the same name, as inside a block, or a type parameter has none, as a \
                 closure: write `name = \"..\"` or move it, or write `tiers = memory`",
            );
        }
        let state = Arc::new(state);
        known.insert(place, (instance.id, Arc::clone(&state)));
        state
    }

    /// The functions of this name: one, but for those in blocks.
    pub(crate) fn named(&self, name: &str) -> Vec<TypeId> {
        let known = self.known.read();
        let named = known.iter().filter(|(_, state)| state.name == name);
        named.map(|(id, _)| *id).collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<SiteState>> {
        let known = self.known.read();
        let mut states: Vec<_> = known.iter().map(|(_, state)| Arc::clone(state)).collect();
        states.sort_by(|a, b| a.name.cmp(&b.name));
        states
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_a_path_are_all_of_its_lists() {
        for (path, parameters) in [
            ("shop::user", ""),
            ("shop::find<u8>", "<u8>"),
            (
                "shop::Store<u8>::find<alloc::vec::Vec<u16>>",
                "<u8><alloc::vec::Vec<u16>>",
            ),
            ("<shop::Store as shop::Named>::find", ""),
            (
                "<shop::Store<u8> as shop::Named<u16>>::find<u32>",
                "<u8><u16><u32>",
            ),
            ("shop::call<fn(u8) -> u16>", "<fn(u8) -> u16>"),
        ] {
            assert_eq!(type_parameters(path), parameters, "{path}");
        }
    }
}

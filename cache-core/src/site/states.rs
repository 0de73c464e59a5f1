//! The functions that a cache has met, and what a configuration says of them.

use std::{
    any::TypeId,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use super::{Aging, Instance, Site, SiteState};
use crate::{error::Error, function::is_called, lock::RwLock, policy::Policy, strategy::Strategy};

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
    fn aging(&self, policy: &Policy, own: Option<Aging>, site: &Site) -> Option<Aging>;

    /// What of it does nothing for a function of whose values this becomes, and of which its attribute says that.
    fn said_in_vain(&self, policy: &Policy, aging: Option<Aging>, site: &Site)
    -> Vec<&'static str>;

    /// The names by which no function goes that was called so far.
    fn unused(&self) -> Vec<String>;

    /// # Errors
    ///
    /// What makes no sense in it.
    fn check(&self) -> Result<(), Error>;
}

pub(crate) type Policies = Option<Arc<dyn Book>>;

/// Policies by the names of functions.
#[derive(Debug)]
pub(crate) struct Named(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    name: String,
    policy: Arc<Policy>,
    /// A function goes by its name.
    is_used: AtomicBool,
}

impl FromIterator<(String, Policy)> for Named {
    fn from_iter<I: IntoIterator<Item = (String, Policy)>>(policies: I) -> Self {
        let entries = policies.into_iter().map(|(name, policy)| Entry {
            name,
            policy: Arc::new(policy),
            is_used: AtomicBool::new(false),
        });
        Self(entries.collect())
    }
}

impl Book for Named {
    fn of(&self, function: &str) -> Option<Arc<Policy>> {
        let entries = self.0.iter();
        let fitting = entries.filter(|entry| is_called(function, &entry.name));
        let longest = fitting
            .inspect(|entry| entry.is_used.store(true, Relaxed))
            .max_by_key(|entry| entry.name.len());
        longest.map(|entry| Arc::clone(&entry.policy))
    }

    fn aging(&self, policy: &Policy, own: Option<Aging>, site: &Site) -> Option<Aging> {
        let own = own.map(|own| own.strategy);
        policy.strategy(own, site).map(Aging::by)
    }

    fn said_in_vain(
        &self,
        policy: &Policy,
        aging: Option<Aging>,
        site: &Site,
    ) -> Vec<&'static str> {
        let strategy = aging.map_or(Strategy::new(), |aging| aging.strategy);
        policy.says_in_vain(&strategy, site)
    }

    fn unused(&self) -> Vec<String> {
        let unused = self.0.iter().filter(|entry| !entry.is_used.load(Relaxed));
        let mut names: Vec<_> = unused.map(|entry| entry.name.clone()).collect();
        names.sort_unstable();
        names
    }

    fn check(&self) -> Result<(), Error> {
        self.0
            .iter()
            .try_for_each(|entry| entry.policy.check(&entry.name))
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
                "its name may not be unique (it is inside a block, or a type parameter is a closure): write `name = \"..\"` or \
                 move it, or write `tiers = memory`",
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

    /// The policies for names by which no function goes that was called so far.
    pub(crate) fn unused_policies(&self) -> Vec<String> {
        let policies = self.policies.as_ref();
        policies.map_or_else(Vec::new, |policies| policies.unused())
    }

    pub(crate) fn all(&self) -> Vec<Arc<SiteState>> {
        let known = self.known.read();
        let mut states: Vec<_> = known.iter().map(|(_, state)| Arc::clone(state)).collect();
        states.sort_by(|a, b| a.name.cmp(&b.name));
        states
    }
}

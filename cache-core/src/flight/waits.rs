//! Which load waits for what: one that would close a circle is not made to wait.
//!
//! Only calls inside loads, and loads that queue for a slot, are recorded: ordinary misses never come
//! here. The last wait of a circle is the one that is refused, so no order of arrivals can close one.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
};

use parking_lot::{Mutex, MutexGuard};

use super::{Flight, Load};
use crate::slot::Slots;

/// What a load waits for.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The answer of a flight: one of its loads.
    Flight(Arc<Flight>),
    /// A slot: one of the loads that hold them.
    Slots(Arc<Slots>),
}

/// By the waiting load, over all caches of the process.
static WAITS: LazyLock<Mutex<HashMap<u64, Vec<Target>>>> = LazyLock::new(Mutex::default);

fn waits() -> MutexGuard<'static, HashMap<u64, Vec<Target>>> {
    WAITS.lock()
}

impl Target {
    fn loads(&self) -> Vec<u64> {
        match self {
            Self::Flight(flight) => {
                let state = flight.state.lock();
                state.loading.iter().map(|slot| slot.id()).collect()
            }
            Self::Slots(slots) => slots.holders(),
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Flight(one), Self::Flight(other)) => Arc::ptr_eq(one, other),
            (Self::Slots(one), Self::Slots(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

/// One recorded wait, while it lasts.
#[derive(Debug)]
pub(crate) struct Wait {
    from: u64,
    target: Target,
}

/// Records that `load` waits for `target`; nothing where that waits for `load` already, or for a load
/// that it was called from.
pub(crate) fn wait(load: &Load, target: Target) -> Option<Wait> {
    let mut waits = waits();
    let mut to_visit = target.loads();
    let mut visited = HashSet::new();
    while let Some(reached) = to_visit.pop() {
        if load.chain().any(|outer| outer.slot.id() == reached) {
            return None;
        }
        if visited.insert(reached) {
            let further = waits.get(&reached).into_iter().flatten();
            to_visit.extend(further.flat_map(Target::loads));
        }
    }
    let from = load.slot.id();
    waits.entry(from).or_default().push(target.clone());
    Some(Wait { from, target })
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waits = waits();
        if let Some(targets) = waits.get_mut(&self.from) {
            if let Some(at) = targets.iter().position(|target| target.is(&self.target)) {
                targets.swap_remove(at);
            }
            if targets.is_empty() {
                waits.remove(&self.from);
            }
        }
    }
}

//! Which load waits for what: one that would close a circle is not made to wait.
//!
//! Only calls inside loads, and loads that queue for a slot, are recorded: ordinary misses never come
//! here. The last wait of a circle is the one that is refused, so no order of arrivals can close one.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use super::Load;
use crate::slot::Slots;

/// What a load waits for.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The answer of a flight.
    Flight(u64),
    /// A slot: one of the loads that hold them.
    Slots(Arc<Slots>),
}

/// By the flight of the waiting load, over all caches of the process.
static WAITS: LazyLock<Mutex<HashMap<u64, Vec<Target>>>> = LazyLock::new(Mutex::default);

fn waits() -> MutexGuard<'static, HashMap<u64, Vec<Target>>> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Target {
    fn flights(&self) -> Vec<u64> {
        match self {
            Self::Flight(flight) => vec![*flight],
            Self::Slots(slots) => slots.holders(),
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Flight(one), Self::Flight(other)) => one == other,
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
    let mut to_visit = target.flights();
    let mut visited = HashSet::new();
    while let Some(flight) = to_visit.pop() {
        if load.chain().any(|outer| outer.flight.id == flight) {
            return None;
        }
        if visited.insert(flight) {
            to_visit.extend(
                waits
                    .get(&flight)
                    .into_iter()
                    .flatten()
                    .flat_map(Target::flights),
            );
        }
    }
    let from = load.flight.id;
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

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
    /// The loads of which one has to go on; nothing where none has to.
    fn loads(&self) -> Option<Vec<u64>> {
        match self {
            Self::Flight(flight) => {
                let state = flight.state.lock();
                let loads: Vec<_> = state.loading.iter().map(|slot| slot.id()).collect();
                (!loads.is_empty()).then_some(loads)
            }
            Self::Slots(slots) => slots.holders(),
        }
    }

    /// Which one it is.
    fn address(&self) -> usize {
        match self {
            Self::Flight(flight) => Arc::as_ptr(flight).addr(),
            Self::Slots(slots) => Arc::as_ptr(slots).addr(),
        }
    }
}

/// One recorded wait, while it lasts.
#[derive(Debug)]
pub(crate) struct Wait {
    from: u64,
    target: Target,
}

/// Records that `load` waits for `target`; nothing where that could go on only after `load`, or after a
/// load that it was called from.
pub(crate) fn wait(load: &Load, target: Target) -> Option<Wait> {
    let mut waits = waits();
    if !Reachable::from(&target, &waits).goes_on_without(load) {
        return None;
    }
    let from = load.slot.id();
    waits.entry(from).or_default().push(target.clone());
    Some(Wait { from, target })
}

/// What a wait depends on: targets, each of which needs one of its loads, and loads, each of which needs
/// all that it waits for.
#[derive(Default)]
struct Reachable {
    /// The loads of each target, the first being the one that is asked about; empty where it needs none.
    targets: Vec<Vec<u64>>,
    /// What each load waits for, in the order in which they were found.
    loads: Vec<(u64, Vec<usize>)>,
}

impl Reachable {
    fn from(target: &Target, waits: &HashMap<u64, Vec<Target>>) -> Self {
        let mut found = Self::default();
        let mut places = HashMap::new();
        let mut visited = HashSet::new();
        let mut to_visit = vec![target];
        places.insert(target.address(), 0);
        while let Some(target) = to_visit.get(found.targets.len()) {
            let loads = target.loads().unwrap_or_default();
            for &load in loads.iter().filter(|&&load| visited.insert(load)) {
                let targets = waits.get(&load).into_iter().flatten();
                let targets = targets.map(|target| {
                    *places.entry(target.address()).or_insert_with(|| {
                        to_visit.push(target);
                        to_visit.len() - 1
                    })
                });
                found.loads.push((load, targets.collect()));
            }
            found.targets.push(loads);
        }
        found
    }

    /// Whether the first target can go on while `load` and those it was called from stand still.
    fn goes_on_without(&self, load: &Load) -> bool {
        let mut standing: HashSet<u64> = self.loads.iter().map(|&(load, _)| load).collect();
        let chain: HashSet<u64> = load.chain().map(|outer| outer.slot.id()).collect();
        let goes_on = |target: &usize, standing: &HashSet<u64>| {
            let loads = &self.targets[*target];
            loads.is_empty() || loads.iter().any(|load| !standing.contains(load))
        };
        // What was found last is what others wait for: backwards, most is known when it is asked.
        loop {
            let before = standing.len();
            for (load, targets) in self.loads.iter().rev() {
                if !chain.contains(load) && targets.iter().all(|target| goes_on(target, &standing))
                {
                    standing.remove(load);
                }
            }
            if goes_on(&0, &standing) {
                return true;
            }
            if standing.len() == before {
                return false;
            }
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waits = waits();
        if let Some(targets) = waits.get_mut(&self.from) {
            if let Some(at) = targets
                .iter()
                .position(|target| target.address() == self.target.address())
            {
                targets.swap_remove(at);
            }
            if targets.is_empty() {
                waits.remove(&self.from);
            }
        }
    }
}

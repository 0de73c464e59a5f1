//! Which load waits for what: one that would close a circle is not made to wait.
//!
//! Only calls inside loads, and loads that queue for a slot, are recorded: ordinary misses never come
//! here. The last wait of a circle is the one that is refused, so no order of arrivals can close one.

#[cfg(not(all(test, shuttled)))]
use std::sync::LazyLock;
use std::{collections::HashMap, sync::Arc};

use super::{Flight, Load};
use crate::{
    coherence::{mutant, mutant::Mutant},
    key::KeyHasher,
    lock::{Mutex, MutexGuard},
    slot::{Slot, Slots},
};

/// What a load waits for.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The answer of a flight: any of its loads, but each may fail, and the last must not stand still.
    Flight(Arc<Flight>),
    /// A slot: one of the loads that hold them.
    Slots(Arc<Slots>),
    /// Another load, which makes the value of this one among others.
    Load(Arc<Slot>),
}

/// By the waiting load.
type Waits = HashMap<u64, Vec<Target>, KeyHasher>;

/// Numbers of loads, or of targets, with a place for each. One kind of map for all that is asked here.
pub(super) type Places = HashMap<u64, usize, KeyHasher>;

/// Over all caches of the process.
#[cfg(not(all(test, shuttled)))]
static WAITS: LazyLock<Mutex<Waits>> = LazyLock::new(Mutex::default);

// In each order of threads anew.
#[cfg(all(test, shuttled))]
shuttle::lazy_static! {
    static ref WAITS: Mutex<Waits> = Mutex::default();
}

fn waits() -> MutexGuard<'static, Waits> {
    WAITS.lock()
}

impl Target {
    /// The loads on which it depends; nothing where it depends on none.
    fn loads(&self) -> Option<Vec<u64>> {
        match self {
            Self::Flight(flight) => {
                let state = flight.state.lock();
                // Whatever still loads then, nobody waits for it.
                if state.answer.is_some() {
                    return None;
                }
                let loads: Vec<_> = state.loading.iter().map(|slot| slot.id()).collect();
                (!loads.is_empty()).then_some(loads)
            }
            Self::Slots(slots) => slots.holders(),
            Self::Load(slot) => Some(vec![slot.id()]),
        }
    }

    /// Whether a load has the slot that it waited for, and is about to say so.
    fn is_held_by(&self, load: u64) -> bool {
        matches!(self, Self::Slots(slots) if slots.holders().is_some_and(|held| held.contains(&load)))
    }

    /// Whether it can go on, of its loads those being `going` that can.
    fn goes_on(&self, loads: &[u64], going: &Places) -> bool {
        let mut loads = loads.iter();
        match self {
            Self::Flight(_) | Self::Load(_) => loads.all(|load| going.contains_key(load)),
            Self::Slots(_) => loads.any(|load| going.contains_key(load)),
        }
    }

    /// Which one it is.
    fn address(&self) -> u64 {
        let address = match self {
            Self::Flight(flight) => Arc::as_ptr(flight).addr(),
            Self::Slots(slots) => Arc::as_ptr(slots).addr(),
            Self::Load(slot) => Arc::as_ptr(slot).addr(),
        };
        // The lowest bits, which are always zero, would be what maps look at.
        (address as u64).rotate_right(4)
    }
}

/// One recorded wait, while it lasts.
#[derive(Debug)]
pub(crate) struct Wait {
    from: u64,
    target: Target,
}

/// So many loads are looked at for a slot. More would take longer than running without one is worth,
/// under a lock that all nested calls share.
const MOST_FOR_A_SLOT: usize = 4_096;

/// Records that `load` waits for `target`; nothing where that could go on only after `load`, or after a
/// load that it was called from.
pub(crate) fn wait(load: &Load, target: Target) -> Option<Wait> {
    let mut waits = waits();
    let most = match target {
        // Never given up: running uncached what another load has under way multiplies.
        Target::Flight(_) | Target::Load(_) => usize::MAX,
        Target::Slots(_) => MOST_FOR_A_SLOT,
    };
    if !Reachable::from(&target, &waits, load.chain_ids(), most)?.goes_on() {
        return None;
    }
    if mutant::is(Mutant::S8) {
        drop(waits);
        waits = WAITS.lock();
    }
    if let Some(parts) = load.parts_to_record() {
        for part in parts {
            let targets = waits.entry(part.slot.id()).or_default();
            targets.push(Target::Load(Arc::clone(&load.slot)));
        }
    }
    let from = load.slot.id();
    waits.entry(from).or_default().push(target.clone());
    Some(Wait { from, target })
}

/// What is made of many loads waits for nothing any more.
pub(super) fn forget_parts<'a>(parts: impl Iterator<Item = &'a Load>, whole: &Arc<Slot>) {
    let whole = Target::Load(Arc::clone(whole));
    let mut waits = waits();
    for part in parts {
        forget(&mut waits, part.slot.id(), &whole);
    }
}

fn forget(waits: &mut Waits, load: u64, target: &Target) {
    let Some(targets) = waits.get_mut(&load) else {
        return;
    };
    let address = target.address();
    if let Some(at) = targets.iter().position(|one| one.address() == address) {
        targets.swap_remove(at);
    }
    if targets.is_empty() {
        waits.remove(&load);
    }
}

/// What a wait depends on: targets, and loads, each of which needs all that it waits for. Without the
/// loads that stand still until the wait is over.
#[derive(Default)]
struct Reachable<'a> {
    /// Each target with its loads, the first being the one that is asked about.
    targets: Vec<(&'a Target, Option<Vec<u64>>)>,
    /// What each load waits for, in the order in which they were found.
    loads: Vec<(u64, Vec<usize>)>,
}

impl<'a> Reachable<'a> {
    /// Nothing where there are more than `most` loads to look at.
    fn from(target: &'a Target, waits: &'a Waits, chain: &Places, most: usize) -> Option<Self> {
        let mut found = Self::default();
        let mut places = Places::default();
        places.insert(target.address(), 0);
        let mut visited = Places::default();
        let mut to_visit = vec![target];
        while let Some(&target) = to_visit.get(found.targets.len()) {
            let loads = target.loads();
            for &load in loads.iter().flatten() {
                if chain.contains_key(&load) || visited.insert(load, 0).is_some() {
                    continue;
                }
                let waits = waits.get(&load).into_iter().flatten();
                let waits = waits.filter(|target| !target.is_held_by(load));
                let targets = waits.map(|target| {
                    *places.entry(target.address()).or_insert_with(|| {
                        to_visit.push(target);
                        to_visit.len() - 1
                    })
                });
                found.loads.push((load, targets.collect()));
            }
            if found.loads.len() > most {
                return None;
            }
            found.targets.push((target, loads));
        }
        Some(found)
    }

    /// Whether the first target can go on.
    fn goes_on(&self) -> bool {
        let mut going = Places::default();
        let goes_on = |target: usize, going: &Places| match &self.targets[target] {
            (target, Some(loads)) => target.goes_on(loads, going),
            (_, None) => true,
        };
        // What was found last is what others wait for: backwards, most is known when it is asked.
        loop {
            let before = going.len();
            for (load, targets) in self.loads.iter().rev() {
                if targets.iter().all(|&target| goes_on(target, &going)) {
                    going.insert(*load, 0);
                }
            }
            if goes_on(0, &going) || going.len() == before {
                return goes_on(0, &going);
            }
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        forget(&mut waits(), self.from, &self.target);
    }
}

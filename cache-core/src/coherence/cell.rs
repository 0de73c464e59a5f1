//! Cells: what this process knows of one live tag. Whoever depends on a tag holds its cell, and a cell lives as
//! long as somebody does: memory is bounded by what is alive, not by how many tags there ever were.

use std::{
    borrow::Borrow,
    collections::HashMap,
    fmt,
    hash::BuildHasher,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64 as Number},
    },
    time::Duration,
};

use smallvec::SmallVec;

use super::{
    beat::Beat,
    emitted::UNKNOWN,
    mutant::{self, Mutant},
    rules,
};
use crate::{
    atomic::{AtomicU32, AtomicU64, Ordering},
    clock::{Nanos, system_now},
    event::Tag,
    key::KeyHasher,
    lock::{Mutex, MutexGuard},
};

const SHARDS: usize = 32;

/// How often a tag was invalidated in this process since its cell was made.
pub(crate) type Generation = u64;

/// One that no cell ever has.
const VOID: Generation = Generation::MAX;

/// More changes than one of which it is known [since when](Captured::invalidated_ago) something is void.
const MANY: Generation = 3;

/// One live tag.
pub(crate) struct Cell {
    tag: Tag,
    /// The tag as a key of the store.
    key: Arc<str>,
    generation: AtomicU64,
    /// When that was last, and the time before.
    changed: AtomicU64,
    changed_before: AtomicU64,
    /// By which [event](super::emitted::Causes) that was last.
    cause: Number,
    /// Something was read here that depends on it.
    is_captured: AtomicBool,
    /// Bumps that have not been acknowledged: until then the shared tier is not asked for what depends on this.
    pending: AtomicU32,
    /// Changes of which nobody knows yet whether they happen: until then nothing is kept either.
    held: AtomicU32,
    registry: Weak<Registry>,
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}@{}", self.tag, self.generation())
    }
}

impl Cell {
    pub(crate) fn tag(&self) -> &Tag {
        &self.tag
    }

    pub(crate) fn key(&self) -> &Arc<str> {
        &self.key
    }

    #[inline]
    pub(crate) fn generation(&self) -> Generation {
        self.generation.load(Ordering::Acquire)
    }

    /// When it was last invalidated.
    fn changed(&self) -> Nanos {
        self.changed.load(Ordering::Acquire)
    }

    /// What was loaded before this is void from here on, and seen to be so when [`Beat::count_change`] was called.
    fn invalidate(&self, cause: u64, now: Nanos, is_late: bool) {
        // Whoever sees that there was one sees its cause, or a later one.
        self.cause.store(cause, Ordering::Relaxed);
        // In this order: whoever sees the time of this one sees that there was one. Behind many nobody knows since when.
        let times = if is_late { MANY } else { 1 };
        self.generation.fetch_add(times, Ordering::AcqRel);
        let before = self.changed.fetch_max(now, Ordering::AcqRel);
        // Of two at once the later may come first.
        self.changed_before
            .store(before.min(now), Ordering::Release);
    }

    /// By which event it was last invalidated.
    pub(super) fn cause(&self) -> u64 {
        self.cause.load(Ordering::Relaxed)
    }

    /// Whether anybody ever wanted to know what it is invalidated by.
    pub(super) fn is_captured(&self) -> bool {
        self.is_captured.load(Ordering::Relaxed)
    }

    fn capture(&self) -> Generation {
        if !self.is_captured() {
            self.is_captured.store(true, Ordering::Relaxed);
        }
        self.generation()
    }

    pub(super) fn expect_ack(&self) {
        self.pending.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn acknowledged(&self) {
        self.pending.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn hold(&self) {
        self.held.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn let_go(&self) {
        self.held.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether what the shared tier has may be behind what this process knows.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire) > 0 || self.is_held()
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire) > 0
    }
}

/// Leaves under the lock of its shard, when nobody holds it any more.
impl Drop for Cell {
    fn drop(&mut self) {
        let Some(registry) = self.registry.upgrade() else {
            return;
        };
        let mut shard = registry.shard(&self.tag);
        // Another cell may have taken its place since its last holder let go.
        let is_dead = |cell: &Weak<Self>| cell.strong_count() == 0 || mutant::is(Mutant::S6);
        let left = if shard.get(&self.tag).is_some_and(is_dead) {
            shard.remove_entry(&self.tag)
        } else {
            None
        };
        drop(shard);
        drop(left);
    }
}

type Shard = HashMap<Tag, Weak<Cell>, KeyHasher>;

/// The cells of one process by tag.
pub(crate) struct Registry {
    /// What comes before a tag in its key.
    prefix: String,
    beat: Arc<Beat>,
    hasher: KeyHasher,
    shards: [Mutex<Shard>; SHARDS],
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("prefix", &self.prefix)
            .field("cells", &self.len())
            .finish_non_exhaustive()
    }
}

impl Registry {
    pub(super) fn new(namespace: &str, beat: Arc<Beat>) -> Arc<Self> {
        Arc::new(Self {
            prefix: format!("{namespace}:t:"),
            beat,
            hasher: KeyHasher::default(),
            shards: std::array::from_fn(|_| Mutex::default()),
        })
    }

    #[cfg(test)]
    pub(super) fn alone(namespace: &str) -> Arc<Self> {
        Self::new(namespace, Arc::new(Beat::alone()))
    }

    fn shard(&self, tag: &Tag) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(tag);
        // Other bits than those by which the shard's own map finds its place.
        self.shards[usize::try_from((hash >> 32) % SHARDS as u64).unwrap_or(0)].lock()
    }

    /// The cell of a tag, where somebody holds it.
    pub(super) fn get(&self, tag: &Tag) -> Option<Arc<Cell>> {
        self.shard(tag).get(tag)?.upgrade()
    }

    /// A tag as a key of the store.
    pub(super) fn key_of(&self, tag: &Tag) -> String {
        self.prefix.clone() + tag.as_str()
    }

    pub(super) fn get_or_create(self: &Arc<Self>, tag: &Tag) -> Arc<Cell> {
        let mut shard = self.shard(tag);
        if let Some(cell) = shard.get(tag).and_then(Weak::upgrade) {
            return cell;
        }
        let cell = Arc::new(Cell {
            tag: tag.clone(),
            key: self.key_of(tag).into(),
            generation: AtomicU64::new(0),
            changed: AtomicU64::new(0),
            changed_before: AtomicU64::new(0),
            cause: Number::new(UNKNOWN),
            is_captured: AtomicBool::new(false),
            pending: AtomicU32::new(0),
            held: AtomicU32::new(0),
            registry: Arc::downgrade(self),
        });
        shard.insert(tag.clone(), Arc::downgrade(&cell));
        cell
    }

    /// What was loaded before this is void from here on. `cause` gives the number of the event that each of them is
    /// invalidated by.
    pub(super) fn invalidate(
        &self,
        cells: impl IntoIterator<Item = impl Borrow<Cell>>,
        mut cause: impl FnMut(&Cell) -> u64,
    ) {
        let mut cells = cells.into_iter().peekable();
        if cells.peek().is_none() {
            return;
        }
        let _applying = self.beat.apply();
        let (now, beat) = (system_now(), &*self.beat);
        let is_late = rules::is_late(now, beat.fence(), beat.bound());
        for cell in cells {
            let cell = cell.borrow();
            cell.invalidate(cause(cell), now, is_late);
        }
        self.beat.count_change();
    }

    /// Whether these are cells of this registry.
    pub(super) fn has(self: &Arc<Self>, cells: &Captured) -> bool {
        let own = Arc::as_ptr(self);
        cells.cells().all(|cell| cell.registry.as_ptr() == own)
    }

    /// How many tags are alive.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

/// Cells with the generations they had at one moment, captured before anything was read under them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captured(pub(super) SmallVec<[Capture; 3]>);

/// A cell, and the generation that it had.
type Capture = (Arc<Cell>, Generation);

impl Captured {
    pub(super) fn now(cells: impl IntoIterator<Item = Arc<Cell>>) -> Self {
        let capture = |cell: Arc<Cell>| {
            let generation = cell.capture();
            (cell, generation)
        };
        Self(cells.into_iter().map(capture).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = &Arc<Cell>> {
        self.0.iter().map(|(cell, _)| cell)
    }

    /// Whether nothing was invalidated since.
    #[inline]
    pub(super) fn is_current(&self) -> bool {
        self.0
            .iter()
            .all(|(cell, generation)| cell.generation() == *generation)
    }

    /// What was invalidated since: of several, what was last.
    pub(super) fn changed(&self) -> Option<&Arc<Cell>> {
        let changed = self
            .0
            .iter()
            .filter(|(cell, generation)| cell.generation() != *generation);
        // Of those of one event the first.
        let latest = changed.rev().max_by_key(|(cell, _)| cell.changed());
        latest.map(|(cell, _)| cell)
    }

    /// How long ago it was first invalidated; the longest time where that is not known. One event of this process is seen
    /// twice: when it is acknowledged, and when it is heard.
    pub(super) fn invalidated_ago(&self, now: Nanos) -> Duration {
        let all = self.0.iter().map(|(cell, generation)| {
            // First: of one that is not counted below, the time is not seen either.
            let before = cell.changed_before.load(Ordering::Acquire);
            let last = cell.changed();
            let times = cell.generation().checked_sub(*generation);
            ((before, last), times.unwrap_or(VOID))
        });
        let mut changed = all.filter(|(_, times)| *times > 0);
        match (changed.next(), changed.next()) {
            (Some(((_, first), 1) | ((first, _), 2)), None) => {
                Duration::from_nanos(now.saturating_sub(first))
            }
            _ => Duration::MAX,
        }
    }

    /// Has it not be current again.
    pub(super) fn make_void(&mut self) {
        for (_, generation) in &mut self.0 {
            *generation = VOID;
        }
    }

    /// Adds others: of one cell the earlier generation, which says more.
    pub(super) fn extend(&mut self, other: &Self) {
        for (cell, generation) in &other.0 {
            let own = self.0.iter_mut().find(|(own, _)| Arc::ptr_eq(own, cell));
            match own {
                Some((_, own)) if *own == VOID || *generation == VOID => *own = VOID,
                Some((_, own)) => *own = (*own).min(*generation),
                None => self.0.push((Arc::clone(cell), *generation)),
            }
        }
    }

    /// A number that changes with every generation, and is never zero.
    #[cfg(test)]
    pub(super) fn added_up(&self) -> u64 {
        1 + self.cells().map(|cell| cell.generation()).sum::<u64>()
    }

    /// Whether both were captured of the same cells in the same state.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let is_same = |(a, b): (&Capture, &Capture)| Arc::ptr_eq(&a.0, &b.0) && a.1 == b.1;
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(is_same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_bounded_by_what_is_alive_over_millions_of_tags() {
        let registry = Registry::alone("shop");
        let mut alive = std::collections::VecDeque::new();
        for id in 0..2_000_000 {
            alive.push_back(registry.get_or_create(&Tag::from_name(&format!("E:{id}"))));
            if alive.len() > 100 {
                alive.pop_front();
            }
        }
        assert_eq!(registry.len(), 100);
        let capacity: usize = registry.shards.iter().map(|s| s.lock().capacity()).sum();
        assert!(capacity < 4_000, "{capacity}");
        alive.clear();
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn a_cell_that_is_held_is_the_cell_of_its_tag() {
        let registry = Registry::alone("shop");
        let tag = Tag::from_name("E:7");
        let cell = registry.get_or_create(&tag);
        assert_eq!(&**cell.key(), "shop:t:E:7");
        registry.invalidate([&*cell], |_| UNKNOWN);
        assert!(Arc::ptr_eq(&cell, &registry.get_or_create(&tag)));
        drop(cell);
        assert!(registry.get(&tag).is_none());
        assert_eq!(registry.get_or_create(&tag).generation(), 0);
    }

    #[test]
    fn of_two_events_at_once_the_earlier_counts_whichever_is_applied_first() {
        let registry = Registry::alone("shop");
        let cell = registry.get_or_create(&Tag::from_name("E:7"));
        let captured = Captured::now([Arc::clone(&cell)]);
        cell.invalidate(UNKNOWN, 11, false);
        cell.invalidate(UNKNOWN, 10, false);
        assert_eq!(captured.invalidated_ago(20), Duration::from_nanos(10));
    }

    #[test]
    fn cells_made_and_dropped_by_many_threads_stay_one_for_each_tag() {
        let registry = Registry::alone("shop");
        let tag = Tag::from_name("E:7");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let (a, b) = (registry.get_or_create(&tag), registry.get_or_create(&tag));
                        assert!(Arc::ptr_eq(&a, &b));
                    }
                });
            }
        });
        assert_eq!(registry.len(), 0);
    }
}

//! A small cache per thread in front of the tier: a hit here takes no lock and touches no reference count, so threads that
//! ask for one key do not meet.
//!
//! The tier stays the only one to say what is there: an entry that has left it answers nobody, whoever holds it. A thread
//! holds [`PLACES`] entries at most, small ones. It lets go of one when it needs its place, or finds that it has left while
//! it brings others: a thread that calls no more lets go of none.

use std::{
    any::TypeId,
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use smallvec::SmallVec;

use super::{L1, Node};
use crate::{
    clock::Clock,
    key::{Key, KeyRef, WriteKey, is_written, text_of},
    stats::hot,
};

/// A power of two.
const PLACES: usize = 2048;

/// Of a smaller tier nothing is held: it would hardly be told what is asked for.
pub(super) const LEAST_BYTES: u64 = 16 * PLACES as u64 * super::SMALL_BYTES;

/// An entry is in one of so many places that follow one another.
const WAYS: usize = 4;

/// As an entry counts in the tier. Larger ones are left there: nobody is to hold much of what has left it.
const MOST_BYTES: u64 = 2048;

/// So many places are looked through, whenever an entry is brought, for those that have left their tier.
const SWEPT: usize = 16;

/// Of 8 hits here the tier is told of one, as it would take for cold what it never sees asked for; and then of fewer, down
/// to one of 128, as threads meet there.
const TOLD: u8 = 8;
const DOUBLED: u8 = 4;

/// Of so many hits in the tier one brings its entry here: what is asked for often comes soon, and the rest costs little.
const BROUGHT: u32 = 8;

thread_local! {
    /// Empty until something is brought.
    static FRONT: RefCell<Front> = const { RefCell::new(Front(None)) };
    static DICE: Cell<u32> = const { Cell::new(1) };
    static SWEEP: Cell<usize> = const { Cell::new(0) };
}

struct Front(Option<Box<[Option<FrontEntry>; PLACES]>>);

/// A thread ends: where a value's own `Drop` panics then, the process would.
impl Drop for Front {
    fn drop(&mut self) {
        let places = self.0.iter_mut().flat_map(|places| places.iter_mut());
        for held in places.filter_map(Option::take) {
            let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(held)));
        }
    }
}

/// An entry with its key. It fills a cache line: beside it a hit reads that of the entry, and the value.
#[repr(align(64))]
struct FrontEntry {
    node: Arc<Node>,
    function: TypeId,
    key: SmallVec<[u8; 16]>,
    /// Bits of the hash, by which most others are told from it.
    mark: u16,
    /// Whose entry it is.
    tier: u32,
    /// Hits that the tier was not told of.
    untold: Cell<u8>,
    /// How often it was told, and less with each entry that came near since.
    told: Cell<u8>,
}

impl FrontEntry {
    /// As [`Option::take_if`] asks.
    fn has_left(&mut self) -> bool {
        !self.node.entry().is_in_tier()
    }

    fn is_of(&self, other: &Self) -> bool {
        let of = |held: &Self| (held.mark, held.tier, held.function);
        of(self) == of(other) && self.key == other.key
    }

    /// Counts a hit. Gives of how many the tier is to be told, where it is.
    #[inline]
    fn count_hit(&self) -> Option<u8> {
        let (untold, told) = (self.untold.get() + 1, self.told.get());
        let is_told = untold >= TOLD << told.min(DOUBLED);
        self.untold.set(if is_told { 0 } else { untold });
        if is_told {
            self.told.set(told.saturating_add(1));
        }
        is_told.then_some(untold)
    }
}

impl L1 {
    /// What `copy` makes of the entry of a key, where this thread holds it, and it is served without a thought.
    #[inline]
    pub(crate) fn at_hand<R>(
        &self,
        key: KeyRef<'_>,
        write_key: &impl WriteKey,
        clock: &Clock,
        copy: impl FnOnce(&Node) -> R,
    ) -> Option<R> {
        let tier = self.in_front?;
        let at_hand = |front: &RefCell<Front>| {
            // A value's own code may be what calls here.
            let front = front.try_borrow().ok()?;
            let front = front.0.as_ref()?;
            let mark = mark_of(&key);
            let is_it = |place: usize| {
                let held = front[place].as_ref()?;
                let is_it = held.mark == mark
                    && held.tier == tier
                    && held.function == key.function
                    && is_written(write_key, &held.key);
                is_it.then_some(held)
            };
            let held = places_of(&key).find_map(is_it)?;
            let entry = held.node.entry();
            if !(entry.is_in_tier() && entry.is_quiet(clock)) {
                return None;
            }
            entry.count_hit();
            if let Some(hits) = held.count_hit() {
                sample(&key, write_key, &held.node, hits.into());
                self.touch(key.with_bytes(&held.key));
            }
            Some(copy(&held.node))
        };
        FRONT.try_with(at_hand).ok()?
    }

    #[cold]
    #[inline(never)]
    fn touch(&self, key: KeyRef<'_>) {
        drop(self.get(&key));
    }

    /// Has this thread hold what the tier has just served, now and then.
    #[inline]
    pub(crate) fn bring(&self, key: KeyRef<'_>, write_key: &dyn WriteKey, node: &Arc<Node>) {
        let dice = DICE.get().wrapping_mul(747_796_405).wrapping_add(1);
        DICE.set(dice);
        if (dice >> 16).is_multiple_of(BROUGHT) {
            sample(&key, write_key, node, BROUGHT.into());
            self.hold(key, node);
        }
    }

    #[cold]
    #[inline(never)]
    fn hold(&self, key: KeyRef<'_>, node: &Arc<Node>) {
        let Some(tier) = self.in_front else { return };
        if !(1..=MOST_BYTES).contains(&node.entry().known_weight()) {
            return;
        }
        let held = FrontEntry {
            node: Arc::clone(node),
            function: key.function,
            key: SmallVec::from_slice(&key.bytes()),
            mark: mark_of(&key),
            tier,
            untold: Cell::new(0),
            told: Cell::new(1),
        };
        let left = FRONT.try_with(|front| {
            let mut front = front.try_borrow_mut().ok()?;
            let front = front.0.get_or_insert_with(nothing);
            let mut left = sweep(front);
            left.extend(take(front, places_of(&key), held));
            Some(left)
        });
        // Not before: a value's own `Drop` may do anything.
        drop(left);
    }
}

/// Of very many hits one is looked at: for which keys they are.
#[cold]
#[inline(never)]
fn sample(key: &KeyRef<'_>, write_key: &dyn WriteKey, node: &Node, hits: u64) {
    if hot::is_sampled(hits) {
        let counters = node.entry().counters();
        counters.hot_keys.add(key.bits(), || text_of(write_key));
    }
}

/// Has this thread hold none of what has left its tier.
pub(super) fn let_go() {
    let left = FRONT.try_with(|front| {
        let mut front = front.try_borrow_mut().ok()?;
        let places = front.0.as_mut()?.iter_mut();
        let left = places.filter_map(|place| place.take_if(FrontEntry::has_left));
        Some(left.collect::<Vec<_>>())
    });
    // Not before: a value's own `Drop` may do anything.
    drop(left);
}

/// Has this thread not hold an entry. The caller still does, so that it is not dropped here.
pub(super) fn let_go_of(key: &Key, node: &Arc<Node>) {
    // Without a thread to hold it there is nothing to do.
    let _ = FRONT.try_with(|front| {
        let mut front = front.try_borrow_mut().ok()?;
        let front = front.0.as_mut()?;
        for place in places_of(&key.as_ref()) {
            front[place].take_if(|held| Arc::ptr_eq(&held.node, node));
        }
        Some(())
    });
}

/// As if this thread had never called: what a simulation does is to depend on its seed alone.
#[cfg(test)]
pub(crate) fn begin_anew() {
    DICE.set(1);
    SWEEP.set(0);
    drop(FRONT.replace(Front(None)));
}

fn nothing() -> Box<[Option<FrontEntry>; PLACES]> {
    let places: Box<[_]> = (0..PLACES).map(|_| None).collect();
    let places = places.try_into().ok();
    places.expect("there are as many as were made")
}

/// Takes out what has left its tier, from the next few places.
fn sweep(front: &mut [Option<FrontEntry>; PLACES]) -> SmallVec<[FrontEntry; 1]> {
    let first = SWEEP.get();
    SWEEP.set((first + SWEPT) % PLACES);
    let places = front.iter_mut().skip(first).take(SWEPT);
    places
        .filter_map(|place| place.take_if(FrontEntry::has_left))
        .collect()
}

/// Takes an entry in one of these places: of an older one of its key, or one that nobody has, or of what nobody is served
/// any more, or of what was asked for least. Gives what was there.
fn take(
    front: &mut [Option<FrontEntry>; PLACES],
    places: impl Iterator<Item = usize> + Clone,
    held: FrontEntry,
) -> Option<FrontEntry> {
    let worth = |place: &usize| match front.get(*place)? {
        None => Some(1),
        Some(old) if old.is_of(&held) => Some(0),
        Some(old) if !old.node.entry().is_in_tier() => Some(2),
        Some(old) => Some(3 + u16::from(old.told.get())),
    };
    let place = places.clone().min_by_key(worth)?;
    for near in places.filter_map(|near| front.get(near)?.as_ref()) {
        near.told.set(near.told.get() / 2);
    }
    front.get_mut(place)?.replace(held)
}

#[inline]
fn places_of(key: &KeyRef<'_>) -> impl Iterator<Item = usize> + Clone + use<> {
    let first = usize::try_from(key.bits() >> 32).unwrap_or_default();
    (0..WAYS).map(move |next| first.wrapping_add(next) % PLACES)
}

#[inline]
fn mark_of(key: &KeyRef<'_>) -> u16 {
    u16::try_from(key.bits() & u64::from(u16::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{any::Any, time::Duration};

    use super::*;
    use crate::{
        clock::after,
        key::{CacheKey, Key, KeyWriter, Written},
        l1::{Entry, Eviction, Stored},
        stats::Counters,
    };

    struct Number(u64);

    impl Stored for Number {
        fn value(&self) -> Option<&dyn Any> {
            Some(&self.0)
        }
    }

    struct Tier {
        l1: L1,
        clock: Clock,
    }

    impl Tier {
        fn new(eviction: Eviction) -> Self {
            Self {
                l1: L1::new(LEAST_BYTES, eviction.tier(), 100),
                clock: Clock::system(),
            }
        }

        fn keep(&self, id: u64, value: u64, size: usize) -> Arc<Node> {
            let expires = after(self.clock.now(), Duration::from_hours(1));
            let entry = Entry::new(0, expires, size, true, Arc::new(Counters::default()));
            let node: Arc<Node> = Arc::new(Node::new(entry, Number(value)));
            let inserted = with_key(id, |key, _| self.l1.insert(&key.to_key(), &node));
            drop(inserted);
            node
        }

        /// As a call does.
        fn at_hand(&self, id: u64) -> Option<u64> {
            let copy = |node: &Node| node.value()?.downcast_ref().copied();
            with_key(id, |key, write| {
                self.l1.at_hand(key, &write, &self.clock, copy)
            })
            .flatten()
        }

        /// Asks until it is at hand, or would have been.
        fn ask(&self, id: u64) {
            for _ in 0..50 * BROUGHT {
                with_key(id, |key, write| {
                    if let Some(node) = self.l1.get(&key) {
                        self.l1.bring(key, &write, &node);
                    }
                });
            }
        }

        fn key(id: u64) -> Key {
            with_key(id, |key, _| key.to_key())
        }
    }

    fn with_key<R>(
        id: u64,
        with: impl FnOnce(KeyRef<'_>, &dyn Fn(&mut KeyWriter<'_>) -> Written) -> R,
    ) -> R {
        let write = |key: &mut KeyWriter<'_>| {
            id.write(key);
            Written
        };
        with(KeyRef::of(TypeId::of::<Number>(), &write), &write)
    }

    #[test]
    fn what_is_asked_for_often_is_at_hand_in_its_own_cache_and_no_other() {
        let (one, other) = (Tier::new(Eviction::Adaptive), Tier::new(Eviction::Adaptive));
        one.keep(1, 10, 8);
        assert_eq!(one.at_hand(1), None);
        one.ask(1);
        assert_eq!(one.at_hand(1), Some(10));
        assert_eq!((one.at_hand(2), other.at_hand(1)), (None, None));
        other.keep(1, 20, 8);
        other.ask(1);
        assert_eq!((one.at_hand(1), other.at_hand(1)), (Some(10), Some(20)));
    }

    #[test]
    fn what_has_left_its_tier_is_at_hand_for_nobody_however_it_left() {
        let leave: [fn(&Tier); 4] = [
            |tier| drop(tier.l1.remove(&Tier::key(1))),
            |tier| tier.l1.clear(),
            |tier| drop(tier.keep(1, 11, 8)),
            // What was asked for so often is evicted by its age only.
            |tier| (2..20_000).for_each(|id| drop(tier.keep(id, 0, 400))),
        ];
        for (eviction, ways) in [(Eviction::Adaptive, 3), (Eviction::Lru, 4)] {
            let tier = Tier::new(eviction);
            for leave in &leave[..ways] {
                let node = tier.keep(1, 10, 8);
                tier.ask(1);
                assert_eq!(tier.at_hand(1), Some(10));
                leave(&tier);
                assert_eq!(tier.at_hand(1), None);
                assert!(!node.entry().is_in_tier());
            }
        }
    }

    #[test]
    fn what_replaced_another_comes_in_its_place() {
        let tier = Tier::new(Eviction::Adaptive);
        for value in 0..10 {
            tier.keep(1, value, 8);
            tier.ask(1);
            assert_eq!(tier.at_hand(1), Some(value));
        }
    }

    #[test]
    fn a_small_tier_is_asked_each_time() {
        let mut tier = Tier::new(Eviction::Adaptive);
        tier.l1 = L1::new(LEAST_BYTES - 1, Eviction::Adaptive.tier(), 100);
        tier.keep(1, 10, 8);
        tier.ask(1);
        assert_eq!(tier.at_hand(1), None);
    }

    #[test]
    fn what_is_large_is_left_to_the_tier() {
        let tier = Tier::new(Eviction::Adaptive);
        tier.keep(1, 10, 4096);
        tier.ask(1);
        assert_eq!(tier.at_hand(1), None);
    }

    #[test]
    fn a_value_whose_own_code_calls_is_served() {
        let tier = Tier::new(Eviction::Adaptive);
        tier.keep(1, 10, 8);
        tier.keep(2, 20, 8);
        tier.ask(1);
        tier.ask(2);
        let inner = with_key(1, |key, write| {
            tier.l1.at_hand(key, &write, &tier.clock, |_| {
                // It holds nothing new meanwhile.
                tier.ask(2);
                tier.at_hand(2)
            })
        });
        assert_eq!(inner, Some(Some(20)));
    }

    #[test]
    fn what_has_left_its_tier_is_let_go_of_at_once_or_while_others_come() {
        let tier = Tier::new(Eviction::Adaptive);
        let asked_for = |value| {
            let node = tier.keep(1, value, 8);
            tier.ask(1);
            assert_eq!(Arc::strong_count(&node), 3);
            node
        };
        let node = asked_for(10);
        drop(tier.l1.remove(&Tier::key(1)));
        assert_eq!(Arc::strong_count(&node), 1);
        let node = asked_for(11);
        tier.l1.clear();
        assert_eq!(Arc::strong_count(&node), 1);
        let node = asked_for(12);
        tier.keep(1, 13, 8);
        assert_eq!(Arc::strong_count(&node), 2);
        for id in 2..500 {
            tier.keep(id, 0, 8);
            tier.ask(id);
        }
        assert_eq!(Arc::strong_count(&node), 1);
    }

    #[test]
    fn the_tier_is_told_of_hits_so_that_it_keeps_what_is_asked_for() {
        let tier = Tier::new(Eviction::Lru);
        tier.keep(1, 10, 8);
        tier.ask(1);
        for id in 2..20_000 {
            drop(tier.keep(id, 0, 400));
            assert_eq!(tier.at_hand(1), Some(10), "{id}");
        }
    }
}

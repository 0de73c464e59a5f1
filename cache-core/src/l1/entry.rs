//! An entry: a value of a type that only its function knows, with its times and its weight.

use std::{
    any::Any,
    fmt,
    sync::{
        Arc,
        atomic::{
            AtomicU32,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    time::Duration,
};

use super::unweighed::UnweighedEntry;
use crate::{
    clock::{Clock, Nanos},
    coherence::{
        Doubt, Guard,
        mutant::{self, Mutant},
    },
    explain::Stale,
    key::Key,
    stats::Counters,
    strategy::{Decision, Life, Trouble, Validity},
};

/// What an entry costs beside its value and the heap of its key: the map's slot with the key in it, the
/// node and its allocation. Counted by an allocator.
const ENTRY_OVERHEAD: usize = 200;

/// What an entry costs more where its function has a strategy.
const TERMS_OVERHEAD: usize = 250;

/// What was loaded, of a type that only its function knows.
pub(crate) trait Stored: Any + Send + Sync {
    /// The value, where it was no error.
    fn value(&self) -> Option<&dyn Any>;
}

/// An entry with what it is of. The entry is in front: to read it takes no table.
pub(crate) struct Node<V: ?Sized = dyn Stored> {
    entry: Entry,
    stored: V,
}

impl<V> Node<V> {
    pub(crate) fn new(entry: Entry, stored: V) -> Self {
        Self { entry, stored }
    }
}

impl Node {
    #[inline]
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    pub(crate) fn entry_mut(&mut self) -> &mut Entry {
        &mut self.entry
    }

    #[inline]
    pub(crate) fn stored(&self) -> &dyn Stored {
        &self.stored
    }

    #[inline]
    pub(crate) fn stored_mut(&mut self) -> &mut dyn Stored {
        &mut self.stored
    }

    /// What was loaded, where that was no error.
    pub(crate) fn value(&self) -> Option<&dyn Any> {
        self.stored.value()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry().fmt(f)
    }
}

/// The times and the weight of an entry, and where it is counted. With the counts of its `Arc` and a
/// value of one word it fits a cache line: a hit reads no second one.
#[derive(Debug)]
pub(crate) struct Entry {
    created: Nanos,
    /// Until when it is served without a thought: until it expires, or until its terms have something to say.
    quiet_until: Nanos,
    counters: Arc<Counters>,
    /// What else there is to it; nothing where only time makes the entry void.
    more: Option<Box<More>>,
    /// Bytes of the value, [`WEIGHED`] and [`REPLACEABLE`].
    size: u32,
    /// Bytes that were added to the counters; zero while the entry is in no tier.
    counted: AtomicU32,
}

/// Set where the size is that of the value and not only of its type.
const WEIGHED: u32 = 1 << 31;

/// Set for an error that a stale value may stand in for.
const REPLACEABLE: u32 = 1 << 30;

const MOST_BYTES: u32 = REPLACEABLE - 1;

/// What not every entry has.
#[derive(Debug, Default)]
#[repr(C)]
struct More {
    /// What has to hold besides its time.
    guard: Option<Guard>,
    /// What becomes of it as it grows old, where its function has a strategy.
    terms: Option<Box<dyn Terms>>,
    /// When its source has settled, where it had not when it was read.
    settles: Option<Nanos>,
}

/// What becomes of an entry as it grows old. A table: programs without a strategy hold nothing of it.
pub(crate) trait Terms: fmt::Debug + Send + Sync {
    fn life(&self) -> Life;

    /// Until when the entry is served without a thought.
    fn quiet_until(&self) -> Nanos;

    /// How long its load took.
    fn took(&mut self, load_time: Duration);

    /// It is of no use from `time` on, if not before.
    fn end_at(&mut self, time: Nanos);

    /// What a call does that finds it.
    fn on_read(&self, known: Validity, now: Nanos) -> Decision;

    /// Whether it stands in where a load has failed, or is late.
    fn stands_in(&self, known: Validity, now: Nanos) -> bool;

    /// Whether the caller is the one to load its successor, which is to have come by `until`. What was claimed before an
    /// event made it void can be claimed once more: whoever did that may bring what is void too.
    fn claim(&self, known: Validity, now: Nanos, until: Nanos) -> bool;

    /// Whoever claimed what was known so until then is done. Where it is still served, what came was not kept: another one
    /// may try from `next` on.
    fn release(&self, known: Validity, until: Nanos, next: Nanos);

    /// None is tried to load the successor of what is known so before `until`, as the last one was in `trouble`. Until then it
    /// stands in for one that would, if it may.
    fn put_off(&self, known: Validity, until: Nanos, trouble: Trouble, may_stand_in: bool);

    /// Why no load of its successor is tried at that time, where one was, and no event has made it void.
    fn trouble(&self, now: Nanos) -> Option<Trouble>;
}

impl Entry {
    pub(crate) fn new(
        created: Nanos,
        expires: Nanos,
        size: usize,
        is_weighed: bool,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            created,
            quiet_until: expires,
            counters,
            more: None,
            size: u32::try_from(size).unwrap_or(u32::MAX).min(MOST_BYTES)
                | if is_weighed { WEIGHED } else { 0 },
            counted: AtomicU32::new(0),
        }
    }

    /// Its terms have a say in what becomes of it.
    pub(crate) fn with_terms(mut self, terms: Box<dyn Terms>) -> Self {
        self.quiet_until = terms.quiet_until();
        self.more_mut().terms = Some(terms);
        self
    }

    /// A stale value may stand in for it.
    pub(crate) fn replaceable(mut self) -> Self {
        self.size |= REPLACEABLE;
        self
    }

    pub(crate) fn is_replaceable(&self) -> bool {
        self.size & REPLACEABLE != 0
    }

    fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    pub(crate) fn is_fresh(&self, now: Nanos) -> bool {
        now < self.expires()
    }

    /// Whether it is served without a thought: nothing is to be done for it yet, and nothing that it depends on has
    /// changed.
    #[inline]
    pub(crate) fn is_quiet(&self, clock: &Clock) -> bool {
        let now = clock.now();
        now < self.quiet_until
            && match &self.more {
                None => true,
                Some(more) => more.is_valid(clock.system_at(now)),
            }
    }

    /// Whether it may be served: fresh, and nothing that it depends on has changed.
    pub(crate) fn is_usable(&self, clock: &Clock) -> bool {
        let now = clock.now();
        self.is_fresh(now)
            && self
                .more
                .as_ref()
                .is_none_or(|more| more.is_valid(clock.system_at(now)))
    }

    /// What is against a fresh entry.
    pub(crate) fn doubt(&self, clock: &Clock) -> Option<Doubt> {
        self.guard()?.doubt(clock.system_at(clock.now()))
    }

    pub(crate) fn guard(&self) -> Option<&Guard> {
        self.more.as_ref()?.guard.as_ref()
    }

    /// Whether something that it depends on has changed.
    pub(crate) fn is_void(&self) -> bool {
        self.guard().is_some_and(Guard::is_void)
    }

    pub(crate) fn guard_by(&mut self, guard: Option<Guard>) {
        if guard.is_some() || self.guard().is_some() {
            self.more_mut().guard = guard;
        }
    }

    pub(crate) fn terms(&self) -> Option<&dyn Terms> {
        self.more.as_ref()?.terms.as_deref()
    }

    /// What is known of it besides its age.
    pub(crate) fn known(&self, clock: &Clock) -> Validity {
        let now = clock.system_at(clock.now());
        if mutant::is(Mutant::B20) {
            return Validity::Valid;
        }
        let doubt = self
            .guard()
            .and_then(|guard| Some((guard, guard.doubt(now)?)));
        match doubt {
            None => Validity::Valid,
            Some((_, Doubt::Suspect)) => Validity::Unproven,
            Some((guard, Doubt::Invalidated)) => Validity::Invalidated {
                ago: guard.invalidated_ago(now),
            },
        }
    }

    /// What a call does that finds it, and that is not to serve it without a thought.
    pub(crate) fn on_read(&self, clock: &Clock) -> Decision {
        self.terms().map_or(Decision::Decline, |terms| {
            terms.on_read(self.known(clock), clock.now())
        })
    }

    /// Whether it stands in where a load has failed, or is late.
    pub(crate) fn stands_in(&self, clock: &Clock) -> bool {
        self.terms()
            .is_some_and(|terms| terms.stands_in(self.known(clock), clock.now()))
    }

    fn terms_mut(&mut self) -> Option<&mut Box<dyn Terms>> {
        self.more.as_mut()?.terms.as_mut()
    }

    /// Its load took so long.
    pub(crate) fn took(&mut self, load_time: Duration) {
        if let Some(terms) = self.terms_mut() {
            terms.took(load_time);
            self.quiet_until = terms.quiet_until();
        }
    }

    /// It is void at `time` if it is not before.
    pub(crate) fn expire_at(&mut self, time: Nanos) {
        self.quiet_until = self.quiet_until.min(time);
        if let Some(terms) = self.terms_mut() {
            terms.end_at(time);
        }
    }

    /// Its source may have been behind when it was read, and is no longer at `time`: then it is void, and what is made of
    /// it too.
    pub(crate) fn settle_at(&mut self, time: Nanos) {
        self.expire_at(time);
        self.more_mut().settles = Some(time);
    }

    /// When its source has settled, where it had not when it was read.
    pub(crate) fn settles(&self) -> Option<Nanos> {
        self.more.as_ref()?.settles
    }

    #[inline]
    pub(crate) fn count_hit(&self) {
        self.counters.hits.add_one();
    }

    /// Counts a call that it answered though it is not fresh, for a reason.
    pub(crate) fn count_stale(&self, reason: Stale) {
        self.counters.stale.add(reason);
    }

    pub(crate) fn created(&self) -> Nanos {
        self.created
    }

    /// When it was created, on the system's clock.
    pub(crate) fn made(&self, clock: &Clock) -> Nanos {
        let now = clock.now();
        let age = now.saturating_sub(self.created);
        clock.system_at(now).saturating_sub(age)
    }

    /// Until when it is fresh.
    pub(crate) fn expires(&self) -> Nanos {
        self.terms()
            .map_or(self.quiet_until, |terms| terms.life().fresh_until)
    }

    /// Until when it may be served at all.
    pub(crate) fn kept_until(&self) -> Nanos {
        self.terms()
            .map_or(self.quiet_until, |terms| terms.life().kept_until)
    }

    /// Bytes of the value.
    pub(crate) fn size(&self) -> usize {
        (self.size & MOST_BYTES) as usize
    }

    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(super) fn is_weighed(&self) -> bool {
        self.size & WEIGHED != 0
    }

    pub(super) fn weight_under(&self, key: &Key) -> u64 {
        let keys = if self.is_weighed() { 1 } else { 2 };
        let places = if self.is_weighed() {
            0
        } else {
            size_of::<UnweighedEntry>()
        };
        let terms = if self.terms().is_some() {
            TERMS_OVERHEAD
        } else {
            0
        };
        (ENTRY_OVERHEAD + terms + places + keys * key.heap_bytes() + self.size()) as u64
    }

    /// Counts the entry in, until it leaves its tier.
    pub(super) fn count(&self, key: &Key) {
        let weight = u32::try_from(self.weight_under(key)).unwrap_or(u32::MAX);
        if self.counted.swap(weight, AcqRel) == 0 {
            self.counters.entries.fetch_add(1, Relaxed);
            self.counters.bytes.fetch_add(u64::from(weight), Relaxed);
            self.counters
                .unweighed
                .fetch_add(u64::from(!self.is_weighed()), Relaxed);
        }
    }

    /// Counts it out, and has nobody served it who still holds it.
    pub(super) fn leave(&self) {
        let counted = self.counted.swap(0, AcqRel);
        if counted != 0 {
            self.counters.entries.fetch_sub(1, Relaxed);
            self.counters.bytes.fetch_sub(u64::from(counted), Relaxed);
            self.counters
                .unweighed
                .fetch_sub(u64::from(!self.is_weighed()), Relaxed);
        }
    }

    /// Whether it has not left its tier. Who removes an entry says so before it goes on: whoever comes behind that sees it.
    #[inline]
    pub(super) fn is_in_tier(&self) -> bool {
        self.counted.load(Acquire) != 0
    }

    /// Bytes that it counts for in its tier; zero where nobody knows, or it is in none.
    pub(super) fn known_weight(&self) -> u64 {
        if self.is_weighed() {
            self.counted.load(Relaxed).into()
        } else {
            0
        }
    }
}

impl More {
    #[inline]
    fn is_valid(&self, now: Nanos) -> bool {
        match &self.guard {
            None => true,
            Some(guard) => guard.is_usable(now),
        }
    }
}

/// However it came to its end, it is counted out once.
impl Drop for Entry {
    fn drop(&mut self) {
        self.leave();
    }
}

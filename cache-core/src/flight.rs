//! One load per key: who runs the body, who waits for it, and what happens when the one who ran it
//! is gone.
//!
//! A flight and the entry of its key change under one lock, so a result is kept only while its
//! flight is still the one of its key: `evict`, `put`, `refresh` and `clear` take that place away.

mod arrival;
mod member;
mod refused;
mod reliance;
#[cfg(all(test, shuttled))]
mod shuttled;
mod waits;

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::Waker,
};

use smallvec::SmallVec;
use tokio::sync::oneshot;

pub(crate) use arrival::Arrival;
use member::Demand;
pub(crate) use member::{Load, Member, Overtaken, Turn, Underway};
pub(crate) use refused::{Refusals, Refused};
pub(crate) use reliance::Guarded;
pub(crate) use waits::{Target, Wait, wait};

use self::{arrival::message_of, reliance::Reliance};
use crate::{
    clock::{Clock, Nanos},
    coherence::{Snapshot, Stamps, mutant, mutant::Mutant},
    key::{Key, KeyHasher},
    l1::{Evicted, L1, Node},
    l2::{Notice, Posted, RedisMiss, Way},
    lock::{Mutex, MutexGuard},
    site::SiteState,
    slot::Slot,
    strategy::Decision,
    value::Fate,
    watchdog::{self, Patience, Sleepers, Watched},
};

const SHARDS: usize = 32;

/// The flights of one cache, and the tier they fill.
#[derive(Debug)]
pub(crate) struct Flights {
    pub(crate) l1: L1,
    is_on: AtomicBool,
    hasher: KeyHasher,
    shards: [Mutex<Shard>; SHARDS],
}

type Shard = HashMap<Key, Arc<Flight>, KeyHasher>;

/// What a caller that missed finds.
pub(crate) enum Joined {
    /// The entry came while the caller was on its way.
    Hit(Arc<Node>),
    /// A place in a flight.
    Member(Member),
}

impl Flights {
    pub(crate) fn new(l1: L1) -> Self {
        Self {
            l1,
            is_on: AtomicBool::new(true),
            hasher: KeyHasher::default(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }

    /// Keeps nothing from here on, and forgets what is there. Whoever sees the shard of a key after this
    /// has been there sees that it is off.
    pub(crate) fn turn_off(&self) {
        self.is_on.store(false, Relaxed);
        self.clear();
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(key);
        // Other bits than those by which the shard's own map finds its place.
        self.shards[usize::try_from((hash >> 32) % SHARDS as u64).unwrap_or(0)].lock()
    }

    /// Joins the flight of a key, or starts it. A usable entry is looked for once more: it may have come
    /// since the caller looked. A flight that began before something changed loses its place to a new one,
    /// and keeps its waiters. Where only the value will tell whether what changed concerns it, the caller may join
    /// provisionally, unless it wants to be `sure` of all that was known when it `came`.
    pub(crate) fn join(
        self: &Arc<Self>,
        key: &Key,
        site: &Arc<SiteState>,
        clock: &Clock,
        snapshot: &Snapshot,
        (came, sure): (&Snapshot, bool),
    ) -> Joined {
        let mut shard = self.shard(key);
        if let Some(flight) = shard.get(key)
            && flight.snapshot.may_answer(snapshot)
        {
            let is_provisional = flight.snapshot.is_behind(came);
            if !(is_provisional && sure) {
                let mut member = flight.join(snapshot, clock);
                member.came = is_provisional.then(|| Box::new(came.clone()));
                return Joined::Member(member);
            }
        }
        let node = if site.is_in_memory {
            self.l1.get(&key.as_ref())
        } else {
            None
        };
        if let Some(node) = node.as_ref().filter(|node| node.entry().is_usable(clock)) {
            return Joined::Hit(Arc::clone(node));
        }
        let flight = Flight::new(self, key, site, snapshot, Purpose::Load);
        let before = shard.insert(key.clone(), Arc::clone(&flight));
        let member = flight.enter();
        drop(shard);
        // Not before: it may be the last of an expired entry, and a value's own `Drop` may do anything.
        drop((node, before));
        Joined::Member(member)
    }

    /// Starts a new flight for a key, one that loads whatever the shared tier has; the one before keeps
    /// its waiters and loses its place.
    pub(crate) fn renew(
        self: &Arc<Self>,
        key: &Key,
        site: &Arc<SiteState>,
        snapshot: &Snapshot,
    ) -> Member {
        self.begin(self.shard(key), key, site, snapshot, Purpose::Renew)
    }

    /// Starts a flight for the successor of an entry that is still served; nothing where one is under way that would do.
    pub(crate) fn succeed(
        self: &Arc<Self>,
        key: &Key,
        site: &Arc<SiteState>,
        snapshot: &Snapshot,
    ) -> Option<Member> {
        let mut shard = self.shard(key);
        if shard
            .get(key)
            .is_some_and(|flight| flight.snapshot.is_same(snapshot))
        {
            return None;
        }
        let flight = Flight::new(self, key, site, snapshot, Purpose::Succeed);
        let member = flight.enter();
        let before = shard.insert(key.clone(), flight);
        drop(shard);
        drop(before);
        Some(member)
    }

    fn begin(
        self: &Arc<Self>,
        mut shard: MutexGuard<'_, Shard>,
        key: &Key,
        site: &Arc<SiteState>,
        snapshot: &Snapshot,
        purpose: Purpose,
    ) -> Member {
        let mut flight = Flight::new(self, key, site, snapshot, purpose);
        if let Some(flight) = Arc::get_mut(&mut flight) {
            let is_renewal = purpose == Purpose::Renew;
            flight.outdated = is_renewal.then(|| self.l1.get(&key.as_ref())).flatten();
        }
        let member = flight.enter();
        let before = shard.insert(key.clone(), flight);
        drop(shard);
        drop(before);
        member
    }

    /// Whether a load for this key is under way that a caller with this snapshot could join.
    pub(crate) fn is_loading(&self, key: &Key, snapshot: &Snapshot) -> bool {
        let shard = self.shard(key);
        shard
            .get(key)
            .is_some_and(|flight| flight.snapshot.is_same(snapshot))
    }

    /// Removes the entry of a key, also at the end of its route. Loads begun before are not kept.
    pub(crate) fn evict(
        &self,
        key: &Key,
        route: Option<(&dyn Way, oneshot::Sender<()>)>,
        notice: Option<&Notice>,
    ) {
        let mut shard = self.shard(key);
        let left = Left {
            place: overruled(&mut shard, key),
            entry: self.l1.remove(key),
            evicted: None,
            posted: match route {
                Some((route, done)) => Some(route.delete(Some(done), message_of(notice))),
                None => notice.map(Notice::post),
            },
        };
        drop(shard);
        drop(left);
    }

    /// Removes an entry in memory that was found to be void. Loads go on.
    pub(crate) fn drop_entry(&self, key: &Key, node: &Arc<Node>) {
        let shard = self.shard(key);
        let left = self.l1.remove_this(key, node);
        drop(shard);
        drop(left);
    }

    /// Puts an arrival in place as if it had just been loaded. Loads begun before are not kept.
    pub(crate) fn put(&self, key: &Key, is_in_memory: bool, arrival: &Arrival<'_>) {
        let mut shard = self.shard(key);
        let place = overruled(&mut shard, key);
        let mut left = self.settle(key, is_in_memory, arrival);
        left.place = place;
        drop(shard);
        drop(left);
    }

    /// Forgets every entry. Loads begun before are not kept.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let flights = std::mem::take(&mut *shard.lock());
            drop(flights);
        }
        self.l1.clear();
    }

    /// Does with the entries of a key what an arrival means for them. The caller holds the key's shard.
    fn settle(&self, key: &Key, is_in_memory: bool, arrival: &Arrival<'_>) -> Left {
        if !self.is_on() {
            return Left::default();
        }
        let mut left = if is_in_memory {
            self.keep(key, arrival)
        } else {
            Left::default()
        };
        left.posted = arrival.post();
        left
    }

    fn keep(&self, key: &Key, arrival: &Arrival<'_>) -> Left {
        let Arrival {
            node, fate, clock, ..
        } = *arrival;
        // What stands in for a failure is not replaced by it.
        let stays = |old: &Arc<Node>| {
            let old = old.entry();
            let stands_in = node.entry().is_replaceable() && old.stands_in(clock);
            old.is_usable(clock) || stands_in || old.on_read(clock) != Decision::Decline
        };
        let old = match fate {
            Fate::KeepUnlessFresh => self.l1.get(&key.as_ref()),
            Fate::Forget => self.l1.remove(key),
            Fate::Keep | Fate::Leave => None,
        };
        let keeps = match fate {
            Fate::Keep => true,
            Fate::KeepUnlessFresh => !old.as_ref().is_some_and(stays),
            Fate::Forget | Fate::Leave => false,
        };
        Left {
            evicted: keeps.then(|| self.l1.insert(key, node)),
            entry: old,
            place: None,
            posted: None,
        }
    }
}

/// Takes a flight out of its place, by somebody who says what there is.
fn overruled(shard: &mut Shard, key: &Key) -> Option<Arc<Flight>> {
    let place = shard.remove(key)?;
    place.is_overruled.store(true, Relaxed);
    Some(place)
}

/// What an arrival pushed out, to be dropped where no lock is held and all is done: a value's own
/// `Drop` may do anything.
#[derive(Default)]
#[must_use]
#[expect(dead_code, reason = "held for its drop")]
struct Left {
    evicted: Option<Evicted>,
    entry: Option<Arc<Node>>,
    place: Option<Arc<Flight>>,
    posted: Option<Posted>,
}

/// What a flight began for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// There was nothing to serve.
    Load,
    /// To replace what there is, without a look at it.
    Renew,
    /// What there is has to be replaced soon.
    Succeed,
}

/// One key on its way to a value.
#[derive(Debug)]
pub(crate) struct Flight {
    key: Key,
    flights: Arc<Flights>,
    site: Arc<SiteState>,
    /// Captured before anything was read for it.
    snapshot: Snapshot,
    state: Mutex<State>,
    is_watched: AtomicBool,
    purpose: Purpose,
    /// Until when its loads may wait for the shared tier; zero while none has asked.
    reads_until: AtomicU64,
    /// What there was when it began, where it is to replace that.
    outdated: Option<Arc<Node>>,
    /// What there is was said by somebody else since: by `put`, or `evict`.
    is_overruled: AtomicBool,
}

#[derive(Debug)]
struct State {
    answer: Option<Arc<Node>>,
    /// Callers that have a place, waiting or loading.
    members: usize,
    /// One of them is there for all prefetches: a second would have nothing to add.
    has_stand_in: bool,
    waiting: Sleepers,
    /// Those whose turn it is and who wait for a slot: an answer is what they wait for as well.
    queued: Sleepers,
    next_ticket: u64,
    /// Why the shared tier did not answer.
    redis: Option<RedisMiss>,
    /// The versions of tags that a load is made under, where they are known, and when they were.
    stamps: Option<(Stamps, Nanos)>,
    /// Of values that its loads took.
    reliance: Reliance,
    loading: SmallVec<[Arc<Slot>; 1]>,
    /// With what its waiters cannot share.
    has_failed: bool,
    /// Loads that may run at once: one, until one has failed.
    at_once: usize,
    /// Somebody was woken to take over, and has not come yet.
    is_offered: bool,
}

impl State {
    fn is_open(&self) -> bool {
        self.answer.is_none() && self.loading.len() < self.at_once
    }

    /// Nobody would miss a load that has not begun.
    fn is_abandoned(&self) -> bool {
        self.members == 0
    }

    /// Nobody waits and nobody loads.
    fn is_idle(&self) -> bool {
        self.members == 0 && self.loading.is_empty()
    }

    /// Takes the turns of loads that are no longer polled; gives them.
    fn stop_gone(&mut self, now: Nanos) -> Vec<Arc<Slot>> {
        let mut gone = Vec::new();
        self.loading.retain(|slot| {
            let is_gone = slot.is_gone(now);
            if is_gone {
                gone.push(Arc::clone(slot));
            }
            !is_gone
        });
        gone
    }

    fn stop(&mut self, slot: &Arc<Slot>) {
        self.loading.retain(|other| !Arc::ptr_eq(&*other, slot));
    }

    /// The wakers of as many waiters as may load now.
    fn invite(&mut self) -> Vec<Waker> {
        let mut invited = Vec::new();
        while self.is_open()
            && self.loading.len() + invited.len() < self.at_once
            && let Some(waker) = self.waiting.pop_first()
        {
            invited.push(waker);
        }
        self.is_offered = !invited.is_empty();
        invited
    }
}

impl Flight {
    fn new(
        flights: &Arc<Flights>,
        key: &Key,
        site: &Arc<SiteState>,
        snapshot: &Snapshot,
        purpose: Purpose,
    ) -> Arc<Self> {
        Arc::new(Self {
            key: key.clone(),
            flights: Arc::clone(flights),
            site: Arc::clone(site),
            snapshot: snapshot.clone(),
            state: Mutex::new(State {
                answer: None,
                members: 0,
                has_stand_in: false,
                waiting: Sleepers::default(),
                queued: Sleepers::default(),
                next_ticket: 0,
                redis: None,
                stamps: None,
                reliance: Reliance::default(),
                loading: SmallVec::new(),
                has_failed: false,
                at_once: 1,
                is_offered: false,
            }),
            is_watched: AtomicBool::new(false),
            purpose,
            reads_until: AtomicU64::new(0),
            outdated: None,
            is_overruled: AtomicBool::new(false),
        })
    }

    fn enter(self: &Arc<Self>) -> Member {
        let mut state = self.state.lock();
        state.members += 1;
        state.next_ticket += 1;
        Member {
            flight: Arc::clone(self),
            ticket: state.next_ticket,
            patience: Patience::default(),
            is_stand_in: false,
            came: None,
            demand: Demand::default(),
        }
    }

    /// A place for a caller that may be given what others have read.
    fn join(self: &Arc<Self>, snapshot: &Snapshot, clock: &Clock) -> Member {
        let mut member = self.enter();
        member.demand = Demand {
            known_since: snapshot.oldest(),
            came_at: clock.now(),
        };
        member
    }

    /// Whether this is still the flight of its key.
    fn has_place(&self, shard: &Shard) -> bool {
        shard
            .get(&self.key)
            .is_some_and(|flight| std::ptr::eq(&raw const **flight, self))
    }

    /// A load succeeded, or failed in a way that all waiters can share.
    fn complete(&self, slot: &Arc<Slot>, arrival: &Arrival<'_>) -> Left {
        let mut shard = self.flights.shard(&self.key);
        let mut left = Left::default();
        if self.has_place(&shard) || mutant::is(Mutant::S9) {
            let is_in_memory = self.site.is_in_memory;
            left = self.flights.settle(&self.key, is_in_memory, arrival);
            left.place = shard.remove(&self.key);
        } else if self.purpose == Purpose::Renew && !mutant::is(Mutant::S10) {
            left = self.forget_outdated(arrival);
        }
        let mut state = self.state.lock();
        state.stop(slot);
        state.answer.get_or_insert_with(|| Arc::clone(arrival.node));
        let mut woken = state.waiting.take();
        woken.extend(state.queued.take());
        drop(state);
        drop(shard);
        watchdog::wake(woken);
        left
    }

    /// A renewal has lost its place. Whoever asked for it is not to see the value of before again all the same: `clear` may
    /// yet be about to remove it, and a renewal that began later may fail.
    fn forget_outdated(&self, arrival: &Arrival<'_>) -> Left {
        let has_value = matches!(arrival.fate, Fate::Keep | Fate::Forget);
        if !has_value || self.is_overruled.load(Relaxed) || !self.flights.is_on() {
            return Left::default();
        }
        let l1 = &self.flights.l1;
        let outdated = self.outdated.as_ref();
        Left {
            entry: outdated.and_then(|outdated| l1.remove_this(&self.key, outdated)),
            posted: arrival.post_removal(),
            ..Left::default()
        }
    }

    /// A load ended without anything that others could have: they load for themselves.
    fn stop(self: &Arc<Self>, slot: &Arc<Slot>, has_failed: bool) {
        let mut state = self.state.lock();
        let queued = state.queued.remove(slot.id());
        state.stop(slot);
        if has_failed {
            state.has_failed = true;
            state.at_once = self.site.slots.limit();
        }
        let invited = state.invite();
        drop(state);
        drop(queued);
        if !invited.is_empty() {
            self.watch();
        }
        watchdog::wake(invited);
        self.leave_if_idle();
    }

    /// Takes a flight that nobody cares for out of the way of new callers.
    fn leave_if_idle(&self) {
        let state = self.state.lock();
        // Where there is an answer, it was taken away with that.
        if !state.is_idle() || state.answer.is_some() {
            return;
        }
        drop(state);
        let mut shard = self.flights.shard(&self.key);
        // Callers enter under the shard's lock: one may have come since.
        let is_idle = || mutant::is(Mutant::S2) || self.state.lock().is_idle();
        let place = if self.has_place(&shard) && is_idle() {
            shard.remove(&self.key)
        } else {
            None
        };
        drop(shard);
        drop(place);
    }

    fn watch(self: &Arc<Self>) {
        if !self.is_watched.swap(true, Relaxed) {
            let flight: Arc<dyn Watched> = Arc::clone(self) as _;
            watchdog::watch(&flight);
        }
    }
}

impl Watched for Flight {
    fn check(&self, now: Nanos) -> bool {
        let mut state = self.state.lock();
        if state.answer.is_some() || state.waiting.is_empty() && !state.is_offered {
            self.is_watched.store(false, Relaxed);
            return false;
        }
        let has_room = state.is_open() || state.loading.iter().any(|slot| slot.is_gone(now));
        let is_late = state.is_offered;
        let woken = watchdog::wakers(&mut state.waiting, has_room, is_late);
        state.is_offered = has_room;
        drop(state);
        watchdog::wake(woken);
        true
    }
}

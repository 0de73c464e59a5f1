//! The two parts a caller can play in a flight: to wait in it, and to load for it.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use super::{
    Arrival, Flight, Flights, Purpose, State,
    waits::{Places, forget_parts},
};
use crate::{
    clock::{Nanos, after, system_now},
    coherence::{Guard, Snapshot, Stamps, mutant, mutant::Mutant},
    key::Key,
    l1::Node,
    l2::RedisMiss,
    site::SiteState,
    slot::Slot,
    watchdog::{self, Next, Patience, Unwanted, Watched},
};

/// What a member of a flight is to do.
pub(crate) enum Turn {
    /// Another caller's load answers.
    Answer(Arc<Node>),
    /// Run the body.
    Load(Underway),
}

/// Whether an answer can be told to be from behind an event: what names nothing tells nothing, and what may be behind
/// its source neither.
fn tells_of_events(answer: &Node) -> bool {
    let entry = answer.entry();
    entry.guard().is_some() && entry.settles().is_none()
}

/// A caller's place in a flight.
#[derive(Debug)]
pub(crate) struct Member {
    pub(super) flight: Arc<Flight>,
    pub(super) ticket: u64,
    pub(super) patience: Patience,
    pub(super) is_stand_in: bool,
    /// What was known when the caller came, where that is more than the flight knows: only its value will tell whether that
    /// concerns it.
    pub(crate) came: Option<Box<Snapshot>>,
    /// What it asks of an answer, where it has joined others.
    pub(super) demand: Demand,
}

/// What a caller may be given that was not read for it: no more than it would be served from memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    /// Since when what the answer was made of has to be known to be valid: that may be older than its flight.
    pub(super) known_since: Nanos,
    /// When it came, on the clock of its cache: what had not settled when it was read has to be read again by then.
    pub(super) came_at: Nanos,
}

impl Demand {
    fn is_met_by(self, answer: &Node) -> bool {
        let entry = answer.entry();
        let is_valid = |guard: &Guard| guard.known_until() >= self.known_since;
        entry.guard().is_none_or(is_valid) && entry.settles().is_none_or(|time| self.came_at < time)
    }
}

impl Member {
    pub(crate) fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// Whether an answer of the flight is one to this caller.
    pub(crate) fn may_take(&self, answer: &Node) -> bool {
        let is_from_behind = || tells_of_events(answer) && !answer.entry().is_void();
        self.demand.is_met_by(answer) && (self.came.is_none() || is_from_behind())
    }

    /// Waits for the answer, or for the turn to load.
    ///
    /// # Cancel safety
    ///
    /// A turn that was offered and not taken goes to the next waiter when the member is dropped.
    pub(crate) async fn turn(&mut self, outer: Option<&Arc<Load>>, is_detached: bool) -> Turn {
        std::future::poll_fn(|cx| self.poll_turn(cx, outer, is_detached)).await
    }

    /// The turn to load in a task of its own, if it is there to take at once.
    pub(crate) fn try_turn(&mut self) -> Option<Underway> {
        let mut state = self.flight.state.lock();
        let is_open = state.is_open();
        is_open.then(|| self.start(&mut state, None, true))
    }

    /// The turn to load in this task, if it is there to take at once.
    pub(crate) fn try_turn_here(&mut self) -> Option<Underway> {
        let mut state = self.flight.state.lock();
        let is_open = state.is_open();
        is_open.then(|| self.start(&mut state, None, false))
    }

    /// The turn to load in a task of its own, where those whose turn it was are gone; nothing where one of
    /// them answered or failed.
    ///
    /// # Cancel safety
    ///
    /// As [`turn`](Self::turn).
    pub(crate) async fn turn_of_the_gone(&mut self) -> Option<Underway> {
        match self.turn(None, true).await {
            Turn::Load(underway) if !self.flight.state.lock().has_failed => Some(underway),
            Turn::Load(_) | Turn::Answer(_) => None,
        }
    }

    /// Stays for a prefetch, so that the value is loaded though its callers go; false where another one does
    /// so already.
    pub(crate) fn stand_in(&mut self) -> bool {
        let mut state = self.flight.state.lock();
        self.is_stand_in = !std::mem::replace(&mut state.has_stand_in, true);
        self.is_stand_in
    }

    fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        outer: Option<&Arc<Load>>,
        is_detached: bool,
    ) -> Poll<Turn> {
        let mut state = self.flight.state.lock();
        if let Some(node) = &state.answer {
            return Poll::Ready(Turn::Answer(Arc::clone(node)));
        }
        let mut gone = Vec::new();
        if !state.is_open() {
            match self.patience.next(state.waiting.has(self.ticket)) {
                Next::Sleep => {}
                Next::Yield => {
                    drop(state);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Next::Act => gone = state.stop_gone(system_now()),
            }
        }
        if state.is_open() {
            let waker = state.waiting.remove(self.ticket);
            let underway = self.start(&mut state, outer, is_detached);
            drop(state);
            drop(waker);
            for slot in gone {
                self.flight.site.slots.free(&slot);
            }
            return Poll::Ready(Turn::Load(underway));
        }
        if mutant::is(Mutant::S1) {
            drop(state);
            state = self.flight.state.lock();
        }
        // A waker may drop a whole task: never under the lock.
        let waker = state.waiting.insert(self.ticket, cx.waker().clone());
        self.patience.sleep();
        drop(state);
        drop(waker);
        self.flight.watch();
        Poll::Pending
    }

    /// Begins a load. The caller has found that one may begin.
    fn start(&self, state: &mut State, outer: Option<&Arc<Load>>, is_detached: bool) -> Underway {
        state.is_offered = false;
        // One of many keys is polled behind all others.
        let slot = Slot::new(is_detached || self.flight.site.is_batched);
        state.loading.push(Arc::clone(&slot));
        let snapshot = &self.flight.snapshot;
        Underway(Some(Arc::new(Load {
            flight: Arc::clone(&self.flight),
            slot,
            is_guarded: !snapshot.is_empty()
                || snapshot.is_late()
                || outer.is_some_and(|outer| outer.is_guarded()),
            outer: outer.cloned(),
            beside: Vec::new(),
            behind: Vec::new(),
            is_stamped: AtomicBool::new(false),
            came_behind: self.came.is_some(),
            demand: self.demand,
            chain_ids: OnceLock::new(),
            has_recorded: AtomicBool::new(false),
            asking_since: AtomicU64::new(0),
            unwanted: Unwanted::default(),
        })))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.flight.state.lock();
        state.members -= 1;
        if self.is_stand_in {
            state.has_stand_in = false;
        }
        let waker = state.waiting.remove(self.ticket);
        let mut woken = state.invite();
        if state.is_abandoned() {
            // What has not begun by now, nobody wants any more.
            woken.extend(state.queued.take());
        }
        drop(state);
        drop(waker);
        watchdog::wake(woken);
        self.flight.leave_if_idle();
    }
}

/// One run of a body on behalf of a flight.
#[derive(Debug)]
pub(crate) struct Load {
    pub(super) flight: Arc<Flight>,
    pub(crate) slot: Arc<Slot>,
    /// The load that this one was called from.
    outer: Option<Arc<Load>>,
    /// Loads of other keys, whose values are made in one go with that of this one: all of them, however nested.
    beside: Vec<Arc<Load>>,
    /// The loads that any of those was called from.
    behind: Vec<Arc<Load>>,
    /// Whether an event can make its value void, or that of a load it was called from.
    pub(super) is_guarded: bool,
    /// Whether versions were known when it began.
    is_stamped: AtomicBool,
    /// Whether its caller knows of more than the flight: see [`Member::came`].
    came_behind: bool,
    /// That of its caller.
    demand: Demand,
    /// The ids of the [chain](Self::chain), once somebody has asked for them.
    chain_ids: OnceLock<Places>,
    /// It is recorded that those beside wait for this one.
    has_recorded: AtomicBool,
    /// When the source was first asked, where that is later than the body was begun; zero before.
    asking_since: AtomicU64,
    /// For how long it has run since nobody waits for it.
    unwanted: Unwanted,
}

impl Load {
    pub(crate) fn key(&self) -> &Key {
        &self.flight.key
    }

    pub(crate) fn site(&self) -> &Arc<SiteState> {
        &self.flight.site
    }

    /// What is made for all of these loads in one go, in a slot of its own.
    pub(crate) fn of_all(loads: &[Arc<Self>], slot: &Arc<Slot>) -> Option<Arc<Self>> {
        let first = loads.first()?;
        let mut known = Places::default();
        let mut is_new = |load: &&Arc<Self>| known.insert(load.slot.id(), 0).is_none();
        let in_one_go = loads
            .iter()
            .flat_map(|load| std::iter::once(load).chain(&load.beside));
        let beside: Vec<_> = in_one_go.filter(&mut is_new).cloned().collect();
        let mut seen = Places::default();
        // Most were called from one load.
        let is_first = |load: &&Arc<Self>| {
            let outer = load.outer.as_ref();
            outer.is_none_or(|outer| seen.insert(outer.slot.id(), 0).is_none())
        };
        let outers = beside
            .iter()
            .filter(is_first)
            .flat_map(|load| load.outers());
        let behind = outers.filter(&mut is_new).cloned().collect();
        Some(Arc::new(Self {
            flight: Arc::clone(&first.flight),
            slot: Arc::clone(slot),
            outer: None,
            is_guarded: loads.iter().any(|load| load.is_guarded),
            beside,
            behind,
            is_stamped: AtomicBool::new(false),
            came_behind: false,
            demand: Demand::default(),
            chain_ids: OnceLock::new(),
            has_recorded: AtomicBool::new(false),
            asking_since: AtomicU64::new(0),
            unwanted: Unwanted::default(),
        }))
    }

    /// The source is asked from `now` on, after a wait for a slot of those beside it.
    pub(crate) fn asks(&self, now: Nanos) {
        self.asking_since.store(now, Relaxed);
    }

    /// How long the source has been asked by a body that was begun then.
    pub(crate) fn time_asking(&self, begun: Nanos) -> Duration {
        let since = self.asking_since.load(Relaxed).max(begun);
        Duration::from_nanos(system_now().saturating_sub(since))
    }

    /// This load, those beside it, and the loads that each was called from.
    pub(super) fn chain(&self) -> impl Iterator<Item = &Self> {
        let beside = self.beside.iter().chain(self.outers());
        std::iter::once(self).chain(beside.map(|load| &**load))
    }

    pub(super) fn chain_ids(&self) -> &Places {
        let ids = || self.chain().map(|load| (load.slot.id(), 0)).collect();
        self.chain_ids.get_or_init(ids)
    }

    /// Those beside it, where it is to be recorded that they wait for this one.
    pub(super) fn parts_to_record(&self) -> Option<impl Iterator<Item = &Self>> {
        let is_first = !self.beside.is_empty() && !self.has_recorded.swap(true, Relaxed);
        is_first.then(|| self.beside.iter().map(|load| &**load))
    }

    /// What was made in one go is over.
    pub(crate) fn forget_parts(&self) {
        // From here on nobody records it any more.
        if self.has_recorded.swap(true, Relaxed) {
            forget_parts(self.beside.iter().map(|load| &**load), &self.slot);
        }
    }

    /// The loads that this one, or one beside it, was called from, with those beside them.
    fn outers(&self) -> impl Iterator<Item = &Arc<Self>> {
        let inside_out = std::iter::successors(self.outer.as_ref(), |load| load.outer.as_ref());
        let each = inside_out.flat_map(|load| {
            std::iter::once(load)
                .chain(&load.beside)
                .chain(&load.behind)
        });
        self.behind.iter().chain(each)
    }

    /// Whether this load, or one it was called from, is for `key` of the same cache.
    pub(crate) fn is_for(&self, key: &Key, flights: &Arc<Flights>) -> bool {
        self.chain()
            .any(|load| load.flight.key == *key && Arc::ptr_eq(&load.flight.flights, flights))
    }

    /// Whether the flight began to replace what there is, without a look at it.
    pub(crate) fn is_renewal(&self) -> bool {
        self.flight.purpose == Purpose::Renew
    }

    /// Whether the flight began although what there is can still be served.
    pub(crate) fn is_succession(&self) -> bool {
        self.flight.purpose == Purpose::Succeed
    }

    /// Whether its entry was put or evicted since it began.
    pub(crate) fn is_overruled(&self) -> bool {
        self.flight.is_overruled.load(Relaxed)
    }

    /// Whether there are callers besides the one for whom it loads.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.flight.state.lock().members > 1
    }

    /// Whether it waits for its slot, or one of those beside it does.
    pub(crate) fn is_queued(&self) -> bool {
        if self.site().is_batched {
            return self.asking_since.load(Relaxed) == 0;
        }
        let state = self.flight.state.lock();
        state.queued.has(self.slot.id())
    }

    /// Keeps a stale entry that was found in the shared tier, for when its successor cannot be loaded.
    pub(crate) fn keep_stale(&self, node: &Arc<Node>) {
        let (flight, flights) = (&self.flight, &self.flight.flights);
        let shard = flights.shard(&flight.key);
        let old = flights.l1.get(&flight.key.as_ref());
        let is_as_good = |old: &Arc<Node>| old.entry().created() >= node.entry().created();
        let is_kept = flight.has_place(&shard)
            && flights.is_on()
            && flight.site.is_in_memory
            && !old.as_ref().is_some_and(is_as_good);
        let evicted = is_kept.then(|| flights.l1.insert(&flight.key, node));
        drop(shard);
        // Not before: a value's own `Drop` may do anything.
        drop((old, evicted));
    }

    /// The state of this process before anything was read for the flight.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.flight.snapshot
    }

    /// The versions that this load reads its source under, where they were known before it began, and when they were.
    pub(super) fn stamps(&self) -> Option<(Stamps, Nanos)> {
        let is_stamped = self.is_stamped.load(Relaxed);
        let stamps = || self.flight.state.lock().stamps.clone();
        is_stamped.then(stamps).flatten()
    }

    /// Why the shared tier did not answer this flight, where it was asked.
    pub(crate) fn redis_miss(&self) -> Option<RedisMiss> {
        self.flight.state.lock().redis
    }

    /// How long this load may wait for the shared tier. All loads of a flight share one `budget`, since
    /// all hold up the same callers; nothing where it is used up, or the answer known.
    pub(crate) fn time_to_read(&self, budget: Duration) -> Option<Duration> {
        if self.is_renewal() && self.snapshot().is_empty() {
            return None;
        }
        let now = system_now();
        let until = &self.flight.reads_until;
        match until.compare_exchange(0, after(now, budget), Relaxed, Relaxed) {
            Ok(_) => Some(budget),
            Err(until) => {
                let left = Duration::from_nanos(until.saturating_sub(now));
                (!left.is_zero()).then_some(left)
            }
        }
    }

    /// The shared tier had no answer: no other load of this flight need ask.
    pub(crate) fn note_miss(&self, miss: RedisMiss, stamps: Option<Stamps>) {
        let mut state = self.flight.state.lock();
        state.redis = Some(miss);
        // The first are the oldest: no load of the flight had begun before, but such as are not stamped.
        if state.stamps.is_none() {
            state.stamps = stamps.map(|stamps| (stamps, system_now()));
        }
        drop(state);
        self.flight.reads_until.store(1, Relaxed);
    }

    /// What becomes of this load while it waits for its slot.
    pub(crate) fn poll_queued(&self, cx: &Context<'_>) -> Poll<Overtaken> {
        let answer = self.flight.state.lock().answer.clone();
        let outer = self.outer.as_ref();
        if let Some(answer) = answer
            && self.site().try_rely_on(outer, answer.entry())
            // Whoever waits for this load may have come behind what made it void.
            && !answer.entry().is_void()
            && (!self.came_behind || tells_of_events(&answer))
            && self.demand.is_met_by(&answer)
        {
            return Poll::Ready(Overtaken::Answered(answer));
        }
        let mut state = self.flight.state.lock();
        if state.is_abandoned() {
            return Poll::Ready(Overtaken::Abandoned);
        }
        let waker = state.queued.insert(self.slot.id(), cx.waker().clone());
        drop(state);
        drop(waker);
        Poll::Pending
    }

    /// Whether it has not ended.
    fn is_there(&self) -> bool {
        let is_it = |slot: &Arc<Slot>| Arc::ptr_eq(slot, &self.slot);
        self.flight.state.lock().loading.iter().any(is_it)
    }

    /// Nobody waits for it from now on: it ends when it has run for so long since.
    pub(crate) fn limit(self: &Arc<Self>, deadline: Duration) {
        if self.is_there() {
            self.unwanted.limit(deadline);
            let load: Arc<dyn Watched> = Arc::clone(self) as _;
            watchdog::watch(&load);
        }
    }

    /// Whether nobody waits for it and it takes too long.
    pub(crate) fn is_overdue(&self) -> bool {
        self.unwanted.overdue().is_some()
    }

    /// The load has its slot and begins. Versions that another one reads from here on say nothing of it.
    pub(crate) fn begin(&self) {
        let mut state = self.flight.state.lock();
        self.is_stamped.store(state.stamps.is_some(), Relaxed);
        let waker = state.queued.remove(self.slot.id());
        drop(state);
        drop(waker);
    }
}

impl Watched for Load {
    fn check(&self, now: Nanos) -> bool {
        if !self.is_there() {
            return false;
        }
        // What waits for its slot takes no time by itself.
        let overdue = self.unwanted.note(self.is_queued(), now);
        if let Some(deadline) = overdue {
            self.site().give_up(deadline);
            // It ends when it is polled.
            watchdog::wake(vec![Arc::clone(&self.slot).into()]);
        }
        overdue.is_none()
    }
}

/// Why a load that waited for its slot need not begin.
pub(crate) enum Overtaken {
    /// Another load answered.
    Answered(Arc<Node>),
    /// Every caller is gone.
    Abandoned,
}

/// A turn to load, until the load is over. Dropped before, the next waiter takes over.
#[derive(Debug)]
pub(crate) struct Underway(Option<Arc<Load>>);

impl Underway {
    /// The load; nothing once it is over.
    pub(crate) fn load(&self) -> Option<&Arc<Load>> {
        self.0.as_ref()
    }

    pub(crate) fn complete(&mut self, arrival: &Arrival<'_>) {
        if let Some(load) = self.0.take() {
            // In this order: whoever takes the slot next finds the answer, and what is dropped at the
            // end may panic.
            let left = load.flight.complete(&load.slot, arrival);
            load.site().slots.free(&load.slot);
            drop(left);
        }
    }

    /// The body failed or panicked: the waiters load for themselves.
    pub(crate) fn fail(&mut self) {
        self.stop(true);
    }

    fn stop(&mut self, has_failed: bool) {
        if let Some(load) = self.0.take() {
            load.site().slots.free(&load.slot);
            load.flight.stop(&load.slot, has_failed);
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.stop(false);
    }
}

//! The invalidation protocol: a state machine without I/O and randomness of its own. What happens is handed in, with the
//! time (but for the moment a cell was last invalidated, which it reads from `clock` itself); what is to be sent is handed
//! out.
//!
//! Its five rules, and where they are:
//!
//! 1. *Capture before you read*: [`Coherence::capture`] comes before the flight is joined, and the versions of
//!    tags are read before the load.
//! 2. *Validate on read*, in both tiers: [`Guard::is_usable`] in memory, [`Coherence::judge`] behind it.
//! 3. *Missing evidence is a miss*: [`Verdict`] has one way to be valid.
//! 4. *Join only flights of your own generation*: [`Snapshot::may_answer`].
//! 5. *Versions are unique and never come back*, and each names its [`Lineage`]: [`Stamps::are`].
//!
//! Flights, both tiers and the connections call it; it calls none of them.

mod beat;
mod cell;
mod connection;
mod emitted;
mod guard;
mod hearing;
#[cfg(all(test, interleaved))]
mod interleaved;
mod ledger;
mod marks;
#[cfg(test)]
mod model;
pub(crate) mod mutant;
mod outgoing;
mod queue;
mod recent;
mod rules;
mod said;
#[cfg(all(test, shuttled))]
mod shuttled;
#[cfg(test)]
mod tests;
mod version;

#[cfg(not(all(test, shuttled)))]
use std::thread;
use std::{
    borrow::Borrow,
    fmt, hint,
    sync::{
        Arc,
        atomic::{
            AtomicU64 as Counter,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    time::Duration,
};

#[cfg(all(test, shuttled))]
use shuttle::thread;
use tokio::sync::Notify;

pub use self::emitted::Emitter;
use self::{
    beat::{Applying, Beat},
    cell::{Captured, Registry},
    emitted::{Causes, UNKNOWN},
    ledger::Ledger,
    marks::{DoubtedMarks, Marks},
    mutant::Mutant,
    outgoing::Away,
    queue::Queue,
    recent::Recent,
    rules::Doubted,
    said::Said,
};
pub(crate) use self::{
    cell::Cell,
    connection::Standing,
    emitted::{Emitted, Emitters, NOBODY},
    guard::{Doubt, Guard, Snapshot, Stamps},
    outgoing::{Ack, Nonces, Outcome, Outgoing},
    recent::Quiet,
    version::{Lineage, Version},
};
use crate::{
    atomic::AtomicU64,
    clock::Nanos,
    event::Tag,
    lock::Mutex,
    stats::{ByName, EventStats},
};

/// After an outage other processes may still have bumps on their way: twice the longest wait before they connect
/// again.
pub(crate) const DRAIN: Duration = Duration::from_secs(4);

/// How often it is looked whether an event that is being applied has been, most of which take less; and how often others are
/// let meanwhile.
const PATIENCE: u32 = if cfg!(all(test, shuttled)) {
    2
} else {
    50 * SPINS
};
const SPINS: u32 = if cfg!(all(test, shuttled)) { 1 } else { 100 };

/// How long a mark lasts that nobody renews, as its writer does every third of it.
pub(crate) const GUARD: Duration = Duration::from_secs(30);

/// What is published in place of the version of a tag that is marked.
pub(crate) const MARKED: &str = "!";

/// How much the caches of this process believe, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// How long an entry may be behind a bump that reached the shared tier.
    pub(crate) staleness: Duration,
    /// When a change whose outcome nobody saw is bumped once more.
    pub(crate) unknown_outcome: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            staleness: Duration::from_secs(2),
            unknown_outcome: Duration::from_secs(5),
        }
    }
}

/// What one process knows of the tags that its entries depend on.
pub(crate) struct Coherence {
    registry: Arc<Registry>,
    bounds: Bounds,
    beat: Arc<Beat>,
    /// What tells messages of this process from those of others.
    origin: Box<str>,
    /// What is doubted after an outage: its two times.
    doubts_until: AtomicU64,
    doubted_before: AtomicU64,
    /// Until when there may be marks that this process has not heard of.
    blind_until: AtomicU64,
    state: Mutex<State>,
    recent: Recent,
    causes: Causes,
    said: Said,
    /// Also of what nothing depends on yet.
    invalidations: AtomicU64,
    marks: Marks,
    /// Told when there is something to send.
    pub(crate) work: Notify,
    emptied: Notify,
    listening: Notify,
    pub(crate) counters: Counters,
}

#[derive(Debug, Default)]
struct State {
    lineage: Option<Lineage>,
    /// Since when the connection listens that does, or did last.
    listens_since: Nanos,
    /// Of the server whose messages arrive; nothing while none do.
    listens_to: Option<Lineage>,
    /// Of the server that is told of changes, and stands in for the one that is listened to where there is none.
    speaks_to: Option<Lineage>,
    /// Of one that answered in place of that.
    stray: Option<Lineage>,
    ledger: Ledger,
    queue: Queue,
    away: Away,
}

/// What happened to coherence, since the cache was built.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) bumps: Counter,
    pub(crate) bumps_failed: Counter,
    pub(crate) bumps_heard: Counter,
    pub(crate) gaps: Counter,
    pub(crate) lineages: Counter,
    pub(crate) suspects: Counter,
    pub(crate) revalidated: Counter,
    emitted: ByName,
    unheeded: ByName,
}

impl fmt::Debug for Coherence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coherence")
            .field("registry", &self.registry)
            .field("beat", &self.beat)
            .finish_non_exhaustive()
    }
}

/// Whether an entry of the shared tier contains all that was bumped before it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Valid(Stamps),
    /// A tag is missing or marked, has another version, or is of another lineage; or the entry is from before
    /// an outage.
    Outdated,
}

impl Coherence {
    /// A process that shares entries with others only where `origin` tells it apart from them.
    pub(crate) fn new(namespace: &str, bounds: Bounds, origin: Option<&str>) -> Arc<Self> {
        // The rest of the bound is for what is not known of a server between two beats: it may not be the primary any more.
        let beat = Arc::new(match origin {
            Some(_) => Beat::new(bounds.staleness / 4 * 3),
            None => Beat::alone(),
        });
        Arc::new(Self {
            registry: Registry::new(namespace, Arc::clone(&beat)),
            bounds,
            beat,
            origin: origin.unwrap_or_default().into(),
            doubts_until: AtomicU64::new(0),
            doubted_before: AtomicU64::new(0),
            blind_until: AtomicU64::new(0),
            state: Mutex::default(),
            recent: Recent::default(),
            causes: Causes::default(),
            said: Said::default(),
            invalidations: AtomicU64::new(0),
            marks: Marks::default(),
            work: Notify::new(),
            emptied: Notify::new(),
            listening: Notify::new(),
            counters: Counters::default(),
        })
    }

    /// Whether something is known that servers have said within the last minute, and may forget.
    pub(crate) fn remembers(&self, now: Nanos) -> bool {
        !self.said.is_empty(now) || !self.state.lock().ledger.is_empty(now)
    }

    /// Remembers that in place of another one, which nobody has any more.
    pub(crate) fn take_over(&self, other: &Self) {
        let mut past = other.state.lock();
        let (ledger, lineage) = (std::mem::take(&mut past.ledger), past.lineage);
        drop(past);
        let mut state = self.state.lock();
        (state.ledger, state.lineage) = (ledger, lineage);
        drop(state);
        self.said.take_over(&other.said);
    }

    /// Whether there is no other process to be heard.
    fn is_alone(&self) -> bool {
        self.beat.is_alone()
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Captures the state of these tags. Rule 1: before anything is read.
    pub(crate) fn capture(&self, tags: &[Tag], now: Nanos) -> Snapshot {
        if tags.is_empty() {
            return Snapshot::default();
        }
        self.capture_whole(tags, false, now)
    }

    /// The same for what may come to depend on other tags as well, which are known only after it was read.
    pub(crate) fn capture_late(&self, tags: &[Tag], now: Nanos) -> Snapshot {
        self.capture_whole(tags, true, now)
    }

    /// While no event is being applied, if that does not take long.
    fn capture_whole(&self, tags: &[Tag], is_late: bool, now: Nanos) -> Snapshot {
        let mut patience = PATIENCE;
        loop {
            let is_applying = || self.beat.is_applying();
            let looked = mutant::is(Mutant::S5).then(is_applying);
            let mut snapshot = self.capture_now(tags, is_late, now);
            // Behind what may be seen of one.
            if !looked.unwrap_or_else(is_applying) {
                return snapshot;
            }
            while patience > 0 && is_applying() {
                patience -= 1;
                if patience.is_multiple_of(SPINS) {
                    // Whoever applies it may have to be let.
                    thread::yield_now();
                }
                hint::spin_loop();
            }
            if patience == 0 {
                snapshot.tear();
                return snapshot;
            }
        }
    }

    fn capture_now(&self, tags: &[Tag], is_late: bool, now: Nanos) -> Snapshot {
        let invalidations = is_late.then(|| {
            self.recent.want(now);
            self.invalidations.load(Acquire)
        });
        // In this order: a tear while the generations are captured must show, and a fence that advances then is
        // not yet to be counted on.
        // What is marked may change without a word.
        let is_marked = self.marks.may_stand(tags, is_late, now);
        let heard = if is_marked { 0 } else { self.beat.fence() };
        let oldest = rules::oldest_capture(now, heard, self.beat.bound());
        let gap = self.beat.gap();
        let cells = tags.iter().map(|tag| self.registry.get_or_create(tag));
        Snapshot::new((gap, now, oldest), invalidations, Captured::now(cells))
    }

    /// Whether nothing was invalidated, or missed, since `snapshot` was captured.
    pub(crate) fn is_current(&self, snapshot: &Snapshot) -> bool {
        if snapshot.is_empty() {
            return !snapshot.is_torn();
        }
        rules::may_keep(
            self.beat.gap() == snapshot.gap,
            snapshot.captured.is_current(),
        )
    }

    /// Whether all that a snapshot was captured of is known here.
    pub(crate) fn owns(&self, snapshot: &Snapshot) -> bool {
        self.registry.has(&snapshot.captured)
    }

    /// What guards an entry that was read after `snapshot`, and contains all that was bumped before `proven`.
    pub(crate) fn guard(
        &self,
        snapshot: &Snapshot,
        proven: Nanos,
        stamps: Option<Stamps>,
    ) -> Option<Guard> {
        (!snapshot.is_empty()).then(|| {
            let is_marked = || {
                let tags = snapshot.cells().map(|cell| cell.tag());
                self.marks.has(tags, snapshot.taken)
            };
            // What is marked may change without a word.
            let may_be_blind =
                || proven < self.blind_until.load(Acquire) || !self.is_alone() && is_marked();
            let is_blind = stamps.is_none() && may_be_blind();
            let beat = Arc::clone(&self.beat);
            Guard::new(beat, snapshot.clone(), (proven, is_blind), stamps)
        })
    }

    /// Whether an entry of the shared tier that was created at `created` is valid: its own stamps are those that
    /// were read with it. Rule 3.
    pub(crate) fn judge(&self, own: &Stamps, read: &Stamps, created: Nanos, now: Nanos) -> Verdict {
        if own.are(read) && !self.doubted().has(created, now) {
            Verdict::Valid(read.clone())
        } else {
            Verdict::Outdated
        }
    }

    /// Whether versions say nothing of a suspect that was created at `created`: a bump from an outage since then may
    /// still be on its way. Asked before they are, under a snapshot from before: who comes later has another gap.
    pub(crate) fn doubts(&self, created: Nanos, now: Nanos) -> bool {
        self.doubted().has_suspect(created, now)
    }

    /// Nobody knows what was invalidated meanwhile. It counts as one more, as it does in the notes.
    fn tear_notes(&self, now: Nanos) {
        self.recent.tear(now);
        self.invalidations.fetch_add(1, AcqRel);
    }

    fn doubted(&self) -> Doubted {
        Doubted {
            created_before: self.doubted_before.load(Relaxed),
            until: self.doubts_until.load(Relaxed),
        }
    }

    /// The versions of what a snapshot was captured of were read.
    pub(crate) fn note_versions(&self, snapshot: &Snapshot, versions: &[Version], now: Nanos) {
        for ((cell, generation), version) in snapshot.captured.0.iter().zip(versions) {
            if *version == Version::Marked {
                // What was heard since may have been that it is gone.
                let is_current = || cell.generation() == *generation;
                self.marks.add(cell.tag(), snapshot.gap, now, is_current);
            } else {
                self.marks.end(cell.tag(), snapshot.taken, now);
            }
        }
    }

    /// Marks whose end may have been missed, as keys whose versions are to be read.
    pub(crate) fn doubted_marks(&self, most: usize, now: Nanos) -> (DoubtedMarks, Vec<String>) {
        let doubted = self.marks.doubted(self.beat.gap(), now, most);
        let keys = doubted.tags.iter().map(|tag| self.registry.key_of(tag));
        let keys = keys.collect();
        (doubted, keys)
    }

    /// They were read.
    pub(crate) fn settle_marks(&self, doubted: &DoubtedMarks, versions: &[Version], now: Nanos) {
        let are_marked = versions.iter().map(|version| *version == Version::Marked);
        let are_marked: Vec<_> = are_marked.collect();
        self.marks.settle(doubted, &are_marked, now);
    }

    /// Whether what was loaded under this snapshot may be kept, as far as guarded mutations go: those of others are
    /// seen where versions were read, or heard of.
    pub(crate) fn may_keep(&self, snapshot: &Snapshot, stamps: Option<&Stamps>) -> bool {
        let tags = snapshot.cells().map(|cell| cell.tag());
        let is_marked = self.marks.has(tags, snapshot.taken);
        rules::may_keep_loaded(stamps.is_some(), is_marked)
    }

    /// Whether none of these tags was invalidated since then, or since that was captured, as far as that is known.
    pub(crate) fn is_quiet(
        &self,
        tags: &[Tag],
        captured: &Snapshot,
        since: Nanos,
        now: Nanos,
    ) -> bool {
        let known = captured.invalidations;
        !captured.is_torn() && self.recent.is_quiet(tags, since, known, now)
    }

    /// How long nothing has changed of what a snapshot was captured of: by its versions, where they are known, and by what
    /// was heard. `store_time` is the least that the clock shows by which versions are given, in microseconds.
    pub(crate) fn time_since_change(
        &self,
        snapshot: &Snapshot,
        stamps: Option<&Stamps>,
        store_time: Option<u64>,
        now: Nanos,
    ) -> (Option<Duration>, Quiet) {
        let tags: Vec<_> = snapshot.cells().map(|cell| cell.tag().clone()).collect();
        let Some(stamps) = stamps else {
            return (None, self.recent.quiet_of_late(&tags, now));
        };
        let youngest = stamps.versions.iter().max().copied().unwrap_or(0);
        // Where nobody knows what its clock shows it may have been just now, and not been heard of yet.
        let by_versions = store_time.map_or(0, |time| time.saturating_sub(youngest));
        let by_versions = Duration::from_micros(by_versions);
        (Some(by_versions), self.recent.quiet(&tags, now))
    }

    /// Something is about to change: until the hold is dropped nothing is kept that depends on it.
    pub(crate) fn hold(self: &Arc<Self>, tags: &[Tag]) -> ChangeHold {
        let cells: Vec<_> = tags
            .iter()
            .map(|tag| self.registry.get_or_create(tag))
            .collect();
        for cell in &cells {
            cell.hold();
        }
        ChangeHold(cells)
    }

    /// To be held while these are invalidated; nothing where nothing depends on any of them, nor can be made of what does.
    fn apply(&self, tags: impl IntoIterator<Item = impl Borrow<Tag>>) -> Option<Applying<'_>> {
        let mut tags = tags.into_iter();
        let is_alive = tags.any(|tag| self.registry.get(tag.borrow()).is_some());
        is_alive.then(|| self.beat.apply())
    }

    /// What was loaded before this is void from here on. `emitted` says why, where somebody may ask.
    pub(crate) fn invalidate<'a>(
        &self,
        tags: impl IntoIterator<Item = &'a Tag> + Clone,
        emitted: impl FnOnce() -> Option<Emitted>,
        now: Nanos,
    ) {
        let _applying = self.apply(tags.clone());
        // In this order: whoever captures in between finds it among the recent ones.
        self.recent.add(tags.clone(), now);
        self.invalidations.fetch_add(1, AcqRel);
        let alive = tags.into_iter().filter_map(|tag| self.registry.get(tag));
        let (mut emitted, mut cause) = (Some(emitted), UNKNOWN);
        self.registry.invalidate(alive, |cell| {
            if cell.is_captured()
                && let Some(emitted) = emitted.take().and_then(|emitted| emitted())
            {
                cause = self.causes.note(emitted);
            }
            cause
        });
    }

    /// What made void what an entry depends on, and by which event, where that is known.
    pub(crate) fn cause_of(&self, guard: &Guard) -> Option<(Tag, Emitted)> {
        let cell = guard.changed()?;
        let emitted = self.causes.get(cell.cause())?;
        Some((cell.tag().clone(), emitted))
    }

    pub(crate) fn stats(&self) -> EventStats {
        let counters = &self.counters;
        EventStats {
            acknowledged: counters.bumps.load(Relaxed),
            failed: counters.bumps_failed.load(Relaxed),
            pending: self.unacknowledged() as u64,
            heard: counters.bumps_heard.load(Relaxed),
            gaps: counters.gaps.load(Relaxed),
            lineages: counters.lineages.load(Relaxed),
            suspects: counters.suspects.load(Relaxed),
            revalidated: counters.revalidated.load(Relaxed),
            tags: self.registry.len() as u64,
            emitted: counters.emitted.snapshot(),
            unheeded: counters.unheeded.snapshot(),
        }
    }

    /// Counts an emission of the events that these tags are of.
    pub(crate) fn count_emitted(&self, tags: &[Tag]) {
        let mut events: Vec<_> = tags.iter().map(Tag::event).collect();
        events.sort_unstable();
        events.dedup();
        for event in events {
            self.counters.emitted.add(event);
            let mut own = tags.iter().filter(|tag| tag.event() == event);
            if !own.any(|tag| self.registry.get(tag).is_some()) {
                self.counters.unheeded.add(event);
            }
        }
    }
}

/// Something that is about to change, until this is dropped.
#[derive(Debug)]
pub(crate) struct ChangeHold(Vec<Arc<Cell>>);

impl ChangeHold {
    pub(crate) fn cells(&self) -> &[Arc<Cell>] {
        &self.0
    }
}

impl Drop for ChangeHold {
    fn drop(&mut self) {
        self.0.iter().for_each(|cell| cell.let_go());
    }
}

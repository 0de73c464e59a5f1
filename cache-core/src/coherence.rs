//! The invalidation protocol: a state machine without I/O, and without a clock or randomness of its own. What
//! happens is handed in, with the time; what is to be sent is handed out.
//!
//! Its five rules, and where they are:
//!
//! 1. *Capture before you read*: [`Coherence::capture`] comes before the flight is joined, and the versions of
//!    tags are read before the load.
//! 2. *Validate on read*, in both tiers: [`Guard::is_usable`] in memory, [`Coherence::judge`] behind it.
//! 3. *Missing evidence is a miss*: [`Verdict`] has one way to be valid.
//! 4. *Join only flights of your own generation*: [`Snapshot::is_same`].
//! 5. *Versions are unique and never come back*, and each names its [`Lineage`]: [`Stamps::are`].
//!
//! Flights, both tiers and the connections call it; it calls nobody.

mod beat;
mod cell;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the simulated store has it, that of Redis is to")
)]
mod connection;
mod guard;
mod ledger;
pub(crate) mod mutant;
mod queue;
mod version;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

#[cfg(test)]
pub(crate) use self::connection::{Connection, Connections};
use self::{
    beat::Beat,
    cell::{Captured, Registry},
    ledger::Ledger,
    mutant::Mutant,
    queue::{Job, Queue},
};
pub(crate) use self::{
    cell::Cell,
    guard::{Doubt, Guard, Snapshot, Stamps},
    version::{Lineage, Version},
};
use crate::{
    clock::{Nanos, after},
    event::Tag,
};

/// After an outage other processes may still have bumps on their way: twice the longest wait before they connect
/// again.
const DRAIN: Duration = Duration::from_secs(4);

/// How much the caches of this process believe, and for how long.
#[derive(Clone, Copy, Debug)]
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
    /// Nothing where this process is alone: then nothing has to be proven.
    beat: Option<Arc<Beat>>,
    /// What tells messages of this process from those of others.
    origin: Box<str>,
    /// Until when entries are not believed that are older than `doubted_before`.
    doubts_until: AtomicU64,
    doubted_before: AtomicU64,
    state: Mutex<State>,
    /// Told when there is something to send.
    pub(crate) work: Notify,
    pub(crate) counters: Counters,
}

#[derive(Debug, Default)]
struct State {
    lineage: Option<Lineage>,
    ledger: Ledger,
    queue: Queue,
}

/// What happened to coherence, since the cache was built.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) bumps: AtomicU64,
    pub(crate) bumps_failed: AtomicU64,
    pub(crate) bumps_heard: AtomicU64,
    pub(crate) gaps: AtomicU64,
    pub(crate) lineages: AtomicU64,
    pub(crate) suspects: AtomicU64,
    pub(crate) blessed: AtomicU64,
}

impl fmt::Debug for Coherence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coherence")
            .field("registry", &self.registry)
            .field("beat", &self.beat)
            .finish_non_exhaustive()
    }
}

/// What becomes of a change whose outcome is known, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The source was written.
    Written,
    /// It may have been, or may yet be.
    Unknown,
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
        Arc::new(Self {
            registry: Registry::new(namespace),
            bounds,
            beat: origin.map(|_| Arc::new(Beat::new(bounds.staleness))),
            origin: origin.unwrap_or_default().into(),
            doubts_until: AtomicU64::new(0),
            doubted_before: AtomicU64::new(0),
            state: Mutex::default(),
            work: Notify::new(),
            counters: Counters::default(),
        })
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Captures the state of these tags. Rule 1: before anything is read.
    pub(crate) fn capture(&self, tags: &[Tag]) -> Snapshot {
        if tags.is_empty() {
            return Snapshot::default();
        }
        // The gap first: a tear while the generations are captured must show.
        let gap = self.beat.as_ref().map_or(0, |beat| beat.gap());
        let cells = tags.iter().map(|tag| self.registry.get_or_create(tag));
        let captured = Captured::now(cells);
        Snapshot { gap, captured }
    }

    /// Whether nothing was invalidated, or missed, since `snapshot` was captured.
    pub(crate) fn is_current(&self, snapshot: &Snapshot) -> bool {
        let is_of_gap = |beat: &Arc<Beat>| beat.gap() == snapshot.gap;
        let is_kept_as_found = mutant::is(Mutant::B4);
        self.beat.as_ref().is_none_or(is_of_gap)
            && (snapshot.captured.is_current() || is_kept_as_found)
    }

    /// What guards an entry that was read after `snapshot`, and contains all that was bumped before `proven`.
    pub(crate) fn guard(
        &self,
        snapshot: &Snapshot,
        proven: Nanos,
        stamps: Option<Stamps>,
    ) -> Option<Box<Guard>> {
        (!snapshot.is_empty()).then(|| {
            Box::new(Guard::new(
                self.beat.clone(),
                snapshot.clone(),
                proven,
                stamps,
            ))
        })
    }

    /// Whether an entry of the shared tier that was created at `created` is valid: its own stamps are those that
    /// were read with it. Rule 3.
    pub(crate) fn judge(&self, own: &Stamps, read: &Stamps, created: Nanos, now: Nanos) -> Verdict {
        let is_doubted = now < self.doubts_until.load(Relaxed)
            && created < self.doubted_before.load(Relaxed)
            && !mutant::is(Mutant::B14);
        if own.are(read) && !is_doubted {
            Verdict::Valid(read.clone())
        } else {
            Verdict::Outdated
        }
    }

    /// Something changed. Its tags wait for an acknowledgement from here on; where nobody else has to know, it is
    /// done.
    pub(crate) fn emit(
        &self,
        tags: &[Tag],
        outcome: Outcome,
        waiter: Option<oneshot::Sender<bool>>,
    ) {
        if self.beat.is_none() {
            for cell in tags.iter().filter_map(|tag| self.registry.get(tag)) {
                cell.invalidate();
            }
            if let Some(waiter) = waiter {
                let _ = waiter.send(true);
            }
            return;
        }
        let cells: Vec<_> = tags
            .iter()
            .map(|tag| self.registry.get_or_create(tag))
            .collect();
        if outcome == Outcome::Unknown {
            // Nobody waits for the acknowledgement that would do it.
            cells.iter().for_each(|cell| cell.invalidate());
        }
        let mut job = Job {
            cells,
            is_pending: false,
            attempts: 0,
            again: (outcome == Outcome::Unknown).then_some(self.bounds.unknown_outcome),
            waiter,
        };
        job.expect_ack();
        self.state.lock().queue.push(job);
        self.work.notify_one();
    }

    /// Something is about to change: until the hold is dropped nothing is kept that depends on it.
    pub(crate) fn hold(self: &Arc<Self>, tags: &[Tag]) -> Held {
        let cells: Vec<_> = tags
            .iter()
            .map(|tag| self.registry.get_or_create(tag))
            .collect();
        cells.iter().for_each(|cell| cell.hold());
        Held(cells)
    }

    /// What was waited for too long: as if it had failed, though it may yet be acknowledged.
    pub(crate) fn is_overdue(&self, tags: &[Tag]) {
        for cell in tags.iter().filter_map(|tag| self.registry.get(tag)) {
            cell.invalidate();
        }
    }

    /// What is to be sent now; nothing where nothing is.
    pub(crate) fn next_batch(self: &Arc<Self>, now: Nanos) -> Option<Outgoing> {
        let jobs = self.state.lock().queue.next_batch(now);
        (!jobs.is_empty()).then(|| Outgoing {
            coherence: Arc::clone(self),
            jobs,
        })
    }

    /// When there is something to send.
    pub(crate) fn next_due(&self) -> Option<Nanos> {
        self.state.lock().queue.next_due()
    }

    /// How many changes have not been acknowledged.
    pub(crate) fn unsent(&self) -> usize {
        self.state.lock().queue.len()
    }

    /// A server answered, or was heard. One of another lineage than the one before may not know what was
    /// acknowledged by that: it is told again.
    pub(crate) fn observe(&self, lineage: Lineage, now: Nanos) {
        let mut state = self.state.lock();
        let before = state.lineage.replace(lineage);
        if before.is_none_or(|before| before == lineage) {
            return;
        }
        self.counters.lineages.fetch_add(1, Relaxed);
        let tags = state.ledger.unknown_to(lineage, now);
        if tags.is_empty() || mutant::is(Mutant::B10) {
            return;
        }
        let mut job = Job {
            cells: tags
                .iter()
                .map(|tag| self.registry.get_or_create(tag))
                .collect(),
            is_pending: false,
            attempts: 0,
            again: None,
            waiter: None,
        };
        // Until then this process would believe of that server what it knows better.
        job.expect_ack();
        state.queue.push(job);
        drop(state);
        self.work.notify_one();
    }

    /// A connection hears what is published from here on.
    pub(crate) fn connected(&self, lineage: Lineage, now: Nanos) {
        let Some(beat) = &self.beat else { return };
        let fence = beat.fence();
        if fence > 0 && now > after(fence, self.bounds.staleness) {
            self.doubted_before.store(fence, Relaxed);
            self.doubts_until.store(after(now, DRAIN), Relaxed);
        }
        beat.tear();
        self.counters.gaps.fetch_add(1, Relaxed);
        self.observe(lineage, now);
        self.state.lock().queue.hurry();
        self.work.notify_one();
    }

    /// All that was published before `sent` has been heard.
    pub(crate) fn fenced(&self, sent: Nanos, lineage: Lineage, now: Nanos) {
        let Some(beat) = &self.beat else { return };
        self.observe(lineage, now);
        beat.advance(sent);
    }

    /// Something may have been missed.
    pub(crate) fn tear(&self) {
        if let Some(beat) = &self.beat {
            beat.tear();
            self.counters.gaps.fetch_add(1, Relaxed);
        }
    }

    /// What another process published: a line for each tag, `name version origin site`. Whatever it is, it is
    /// no harm.
    pub(crate) fn heard(&self, message: &[u8]) {
        let Ok(text) = str::from_utf8(message) else {
            return;
        };
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(name), Some(_version), Some(origin)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            // The acknowledgement does it, or did.
            if origin == &*self.origin {
                continue;
            }
            self.counters.bumps_heard.fetch_add(1, Relaxed);
            if let Some(cell) = self.registry.get(&Tag::from_name(name)) {
                cell.invalidate();
            }
        }
    }

    /// How many tags are alive.
    pub(crate) fn cells(&self) -> usize {
        self.registry.len()
    }

    /// When all was last heard of; nothing where this process is alone.
    pub(crate) fn fence(&self) -> Option<Nanos> {
        self.beat.as_ref().map(|beat| beat.fence())
    }
}

/// Something that is about to change, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held(Vec<Arc<Cell>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.iter().for_each(|cell| cell.let_go());
    }
}

/// Bumps on their way. Dropped without an answer, they have failed.
#[derive(Debug)]
pub(crate) struct Outgoing {
    coherence: Arc<Coherence>,
    jobs: Vec<Job>,
}

impl Outgoing {
    /// The tags to be bumped, each once.
    pub(crate) fn cells(&self) -> Vec<&Arc<Cell>> {
        let mut cells: Vec<_> = self.jobs.iter().flat_map(|job| &job.cells).collect();
        cells.sort_unstable_by(|a, b| a.tag().cmp(b.tag()));
        cells.dedup_by(|a, b| Arc::ptr_eq(a, b));
        cells
    }

    /// A server of this lineage has acknowledged all of it.
    pub(crate) fn acknowledged(mut self, lineage: Lineage, now: Nanos) {
        let coherence = Arc::clone(&self.coherence);
        coherence
            .counters
            .bumps
            .fetch_add(self.jobs.len() as u64, Relaxed);
        let mut state = coherence.state.lock();
        for job in &self.jobs {
            for cell in &job.cells {
                state.ledger.add(cell.tag(), lineage, now);
            }
        }
        for job in &mut self.jobs {
            // What was read since it was sent may be from before it arrived.
            if !mutant::is(Mutant::B2) {
                job.cells.iter().for_each(|cell| cell.invalidate());
            }
            job.has_ack();
        }
        for mut job in std::mem::take(&mut self.jobs) {
            job.tell(true);
            if let Some(again) = job.again.take() {
                job.attempts = 0;
                let due = after(now, again);
                state.queue.push_later(job, due, &coherence.registry);
            }
        }
        drop(state);
        coherence.observe(lineage, now);
    }

    /// It is not known to have arrived.
    pub(crate) fn failed(mut self, now: Nanos) {
        self.fail(now);
    }

    fn fail(&mut self, now: Nanos) {
        if self.jobs.is_empty() {
            return;
        }
        let coherence = Arc::clone(&self.coherence);
        let failed = self.jobs.len() as u64;
        coherence.counters.bumps_failed.fetch_add(failed, Relaxed);
        let mut state = coherence.state.lock();
        for mut job in std::mem::take(&mut self.jobs) {
            if job.attempts == 0 {
                job.cells.iter().for_each(|cell| cell.invalidate());
            }
            job.attempts = job.attempts.saturating_add(1);
            job.tell(false);
            let due = Queue::retry_at(now, job.attempts);
            state.queue.push_later(job, due, &coherence.registry);
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        // At once: whoever looks next finds it due.
        self.fail(0);
    }
}

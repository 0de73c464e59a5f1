//! Changes on their way to the shared tier: what is known of one when it is emitted, what is handed out to be sent,
//! and what comes of the answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::{
    Coherence, Emitted, Emitters, State,
    cell::Cell,
    mutant::{self, Mutant},
    queue::{Answers, Job, Queue, Unmarked},
    version::{Lineage, Version},
};
use crate::{
    clock::{Nanos, after},
    event::Tag,
    lock::MutexGuard,
    watchdog,
};

/// What becomes of a change whose outcome is known, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The source was written.
    Written,
    /// It may have been, or may yet be.
    Unknown,
}

/// What tells the marks of guarded mutations apart: unique, without comma and space.
pub(crate) type Nonces = SmallVec<[Arc<str>; 1]>;

/// What comes of an acknowledgement.
#[derive(Debug, Default)]
pub(crate) struct Ack {
    /// The mark that is taken away.
    pub(crate) nonce: Option<Arc<str>>,
    /// Who wants to know.
    pub(crate) waiter: Option<oneshot::Sender<bool>>,
}

/// Bumps on their way. Dropped without an answer, they have failed.
#[derive(Debug)]
pub(crate) struct Outgoing {
    coherence: Arc<Coherence>,
    number: u64,
    cells: Vec<Unmarked>,
    emitters: Emitters,
    since: Nanos,
}

/// What was handed out and is not answered. It is kept here, as whoever carries it may stand still.
#[derive(Debug, Default)]
pub(super) struct Away {
    /// By their numbers: those that have been away for longest are first.
    batches: BTreeMap<u64, (Nanos, Vec<Job>)>,
    last: u64,
}

impl Away {
    fn len(&self) -> usize {
        self.batches.values().map(|(_, jobs)| jobs.len()).sum()
    }

    fn add(&mut self, jobs: Vec<Job>, now: Nanos) -> u64 {
        self.last += 1;
        self.batches.insert(self.last, (now, jobs));
        self.last
    }

    /// What was handed out as this number; nothing where it was taken back.
    fn take(&mut self, number: u64) -> Vec<Job> {
        self.batches
            .remove(&number)
            .map_or(Vec::new(), |(_, jobs)| jobs)
    }

    /// A batch that was handed out before this.
    fn take_older(&mut self, since: Nanos) -> Vec<Job> {
        let first = self.batches.first_entry();
        first
            .filter(|batch| batch.get().0 < since)
            .map_or(Vec::new(), |batch| batch.remove().1)
    }
}

impl Coherence {
    /// Something changed. Its tags wait for an acknowledgement from here on; where nobody else has to know, it is
    /// done.
    pub(crate) fn emit(&self, tags: &[Tag], outcome: Outcome, ack: Ack, emitted: Emitted) {
        let (Ack { nonce, waiter }, now) = (ack, emitted.at);
        if self.is_alone() {
            self.invalidate(tags, || Some(emitted), now);
            if let Some(waiter) = waiter {
                let _ = waiter.send(true);
            }
            return;
        }
        let mut job = Job::of(tags.iter().map(|tag| self.registry.get_or_create(tag)));
        for (_, nonces) in &mut job.cells {
            nonces.extend(nonce.clone());
        }
        job.waiters.extend(waiter);
        job.again = (outcome == Outcome::Unknown).then_some(self.bounds.unknown_outcome);
        // In this order: whoever captures in between asks no shared tier.
        job.expect_ack();
        if outcome == Outcome::Unknown {
            // Nobody waits for the acknowledgement that would do it.
            self.invalidate(tags, || Some(emitted.clone()), now);
        }
        job.emitted = Some(emitted);
        let mut state = self.state.lock();
        state.queue.push(job, &self.registry);
        drop(state);
        self.work.notify_one();
    }

    /// Where nobody else has to know: these are to be said once more, as it is not known whether they happened. Gives
    /// whether there was nothing that waited for that.
    pub(crate) fn remind(&self, tags: &[Tag], emitted: Emitted) -> bool {
        let now = emitted.at;
        let mut job = Job::of(tags.iter().map(|tag| self.registry.get_or_create(tag)));
        job.emitted = Some(emitted);
        let due = after(now, self.bounds.unknown_outcome);
        let mut state = self.state.lock();
        let was_idle = state.queue.next_due().is_none();
        state.queue.push_later(job, due, &self.registry);
        was_idle
    }

    /// Says what is to be said once more by now. Gives whether there is more of that.
    pub(crate) fn repeat(&self, now: Nanos) -> bool {
        let mut state = self.state.lock();
        loop {
            let jobs = state.queue.next_batch(now);
            if jobs.is_empty() {
                return state.queue.next_due().is_some();
            }
            for mut job in jobs {
                self.invalidate(job.tags(), || job.emitted.clone(), now);
                // Nobody else has to know of it.
                job.acknowledged();
                if let Some(due) = job.said_again_at(now, self.bounds.unknown_outcome) {
                    state.queue.push_later(job, due, &self.registry);
                }
            }
        }
    }

    /// What is to be sent now; nothing where nothing is.
    pub(crate) fn next_batch(self: &Arc<Self>, now: Nanos) -> Option<Outgoing> {
        self.hand_out(self.state.lock(), now)
    }

    /// The same where nothing is under way.
    pub(crate) fn next_batch_if_idle(self: &Arc<Self>, now: Nanos) -> Option<Outgoing> {
        let state = self.state.lock();
        if state.away.len() > 0 {
            return None;
        }
        self.hand_out(state, now)
    }

    fn hand_out(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        now: Nanos,
    ) -> Option<Outgoing> {
        let jobs = state.queue.next_batch(now);
        let cells = jobs.iter().flat_map(|job| job.cells.iter().cloned());
        let cells: Vec<_> = cells.collect();
        let emitted = Emitted::all(jobs.iter().map(|job| &job.emitted));
        let number = (!jobs.is_empty()).then(|| state.away.add(jobs, now));
        drop(state);
        Some(Outgoing {
            coherence: Arc::clone(self),
            number: number?,
            cells: each_once(cells),
            emitters: emitted.map(|emitted| emitted.by).unwrap_or_default(),
            since: now,
        })
    }

    /// Takes back what was handed out before `since`: whoever carries it does not see to it any more. Should there be an
    /// answer all the same, it counts for nothing.
    pub(crate) fn take_back(&self, since: Nanos, now: Nanos) {
        loop {
            let mut state = self.state.lock();
            let jobs = state.away.take_older(since);
            if jobs.is_empty() {
                return;
            }
            self.put_back(state, jobs, now, Queue::retry_at);
        }
    }

    /// These are not known to have arrived.
    fn put_back(
        &self,
        mut state: MutexGuard<'_, State>,
        jobs: Vec<Job>,
        now: Nanos,
        retry_at: fn(Nanos, u32) -> Nanos,
    ) {
        let failed = jobs.len() as u64;
        self.counters.bumps_failed.fetch_add(failed, Relaxed);
        let mut answers = Answers::default();
        for mut job in jobs {
            if job.is_to_be_said(now) {
                self.invalidate(job.tags(), || job.emitted.clone(), now);
            }
            job.attempts = job.attempts.saturating_add(1);
            job.tell(false, &mut answers);
            let due = retry_at(now, job.attempts);
            state.queue.push_later(job, due, &self.registry);
        }
        drop(state);
        answers.give();
    }

    /// Leaves what is still to be sent to another that nobody knows yet, where that is all there is. Gives whether it is.
    pub(crate) fn leave_to(&self, other: &Self) -> bool {
        let mut state = self.state.lock();
        if state.away.len() > 0 {
            return false;
        }
        let left = std::mem::take(&mut state.queue);
        drop(state);
        left.move_to(&mut other.state.lock().queue, &other.registry);
        true
    }

    /// When there is something to send.
    pub(crate) fn next_due(&self) -> Option<Nanos> {
        self.state.lock().queue.next_due()
    }

    /// How many changes have not been acknowledged: of what depends on them the shared tier is not asked.
    pub(super) fn unacknowledged(&self) -> usize {
        if self.is_alone() {
            return 0;
        }
        let state = self.state.lock();
        state.queue.unacknowledged() + state.away.len()
    }

    /// How many changes are still to be sent, those that are to be said once more among them.
    pub(crate) fn unsent(&self) -> usize {
        if self.is_alone() {
            return 0;
        }
        let state = self.state.lock();
        state.queue.len() + state.away.len()
    }

    /// Waits until all changes are acknowledged; where there will be no later, the second words about unknown outcomes
    /// too, which are said now.
    pub(crate) async fn emptied(&self, is_for_good: bool) {
        loop {
            let emptied = self.emptied.notified();
            // Those of what was acknowledged meanwhile among them.
            self.hurry(is_for_good);
            if self.left(is_for_good) == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Has what waits sent now; where there will be no later, the second words too.
    pub(crate) fn hurry(&self, is_for_good: bool) {
        let mut state = self.state.lock();
        if is_for_good {
            state.queue.send_now();
        } else {
            state.queue.retry_now();
        }
        drop(state);
        self.work.notify_one();
    }

    /// How many changes that waits for.
    pub(crate) fn left(&self, is_for_good: bool) -> usize {
        if is_for_good {
            self.unsent()
        } else {
            self.unacknowledged()
        }
    }
}

fn each_once(mut cells: Vec<Unmarked>) -> Vec<Unmarked> {
    cells.sort_unstable_by(|(a, _), (b, _)| a.tag().cmp(b.tag()));
    cells.dedup_by(|(next, nonces), (cell, all)| {
        let is_same = Arc::ptr_eq(next, cell);
        if is_same {
            all.append(nonces);
        }
        is_same
    });
    cells
}

impl Outgoing {
    /// The tags to be bumped, each once, with those whose marks on it go.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (&Arc<Cell>, Nonces)> {
        self.cells
            .iter()
            .map(|(cell, nonces)| (cell, nonces.clone()))
    }

    /// Who emitted it.
    pub(crate) fn emitters(&self) -> &Emitters {
        &self.emitters
    }

    /// A server of this lineage has acknowledged all of it, and given the [cells](Self::cells) these versions. One that is
    /// not listened to is none that counts: others may ask another.
    pub(crate) fn acknowledged(self, versions: &[Version], lineage: Lineage, now: Nanos) {
        let coherence = Arc::clone(&self.coherence);
        if coherence.listens_elsewhere(lineage).is_some() {
            return self.failed(now);
        }
        let mut state = coherence.state.lock();
        let mut jobs = state.away.take(self.number);
        if jobs.is_empty() {
            return;
        }
        coherence
            .counters
            .bumps
            .fetch_add(jobs.len() as u64, Relaxed);
        for ((cell, _), version) in self.cells.iter().zip(versions) {
            state.ledger.add(cell.tag(), lineage, now);
            let said = (self.since, now);
            coherence
                .said
                .add_answer(cell.tag(), *version, lineage, said);
        }
        for job in &mut jobs {
            // What was read since it was sent may be from before it arrived.
            if !mutant::is(Mutant::B2) {
                coherence.invalidate(job.tags(), || job.emitted.clone(), now);
            }
            job.acknowledged();
        }
        let mut answers = Answers::default();
        for mut job in jobs {
            job.tell(true, &mut answers);
            let unknown_outcome = coherence.bounds.unknown_outcome;
            if let Some(due) = job.said_again_at(now, unknown_outcome) {
                job.attempts = 0;
                job.cells.iter_mut().for_each(|(_, nonces)| nonces.clear());
                state.queue.push_later(job, due, &coherence.registry);
            }
        }
        drop(state);
        coherence.observe(lineage, self.since);
        answers.give();
        watchdog::shielded(|| coherence.emptied.notify_waiters());
    }

    /// It is not known to have arrived.
    pub(crate) fn failed(self, now: Nanos) {
        self.fail(now, Queue::retry_at);
    }

    /// Nor will it before this process is allowed more.
    pub(crate) fn refused(self, now: Nanos) {
        self.fail(now, Queue::retry_refused_at);
    }

    fn fail(&self, now: Nanos, retry_at: fn(Nanos, u32) -> Nanos) {
        let mut state = self.coherence.state.lock();
        let jobs = state.away.take(self.number);
        self.coherence.put_back(state, jobs, now, retry_at);
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        // The source was written before it was handed out: what is loaded since has that.
        self.fail(self.since, Queue::retry_at);
    }
}

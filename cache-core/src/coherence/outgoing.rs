//! Changes on their way to the shared tier: what is known of one when it is emitted, what is handed out to be sent,
//! and what comes of the answer.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::sync::oneshot;

use super::{
    Coherence,
    cell::Cell,
    mutant::{self, Mutant},
    queue::{Job, Queue},
    version::Lineage,
};
use crate::clock::{Nanos, after};

/// What becomes of a change whose outcome is known, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The source was written.
    Written,
    /// It may have been, or may yet be.
    Unknown,
}

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
    pub(super) coherence: Arc<Coherence>,
    pub(super) jobs: Vec<Job>,
    pub(super) since: Nanos,
}

impl Outgoing {
    /// The tags to be bumped, each once.
    pub(crate) fn cells(&self) -> Vec<&Arc<Cell>> {
        let mut cells: Vec<_> = self.jobs.iter().flat_map(|job| &job.cells).collect();
        cells.sort_unstable_by(|a, b| a.tag().cmp(b.tag()));
        cells.dedup_by(|a, b| Arc::ptr_eq(a, b));
        cells
    }

    /// The mark that goes with it.
    pub(crate) fn nonce(&self) -> Option<Arc<str>> {
        self.jobs.first().and_then(|job| job.nonce.clone())
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
                coherence.invalidate(job.tags(), now);
            }
            job.has_ack();
        }
        for mut job in std::mem::take(&mut self.jobs) {
            state.under_way -= 1;
            job.tell(true);
            if let Some(again) = job.again.take() {
                job.attempts = 0;
                job.nonce = None;
                let due = after(now, again);
                state.queue.push_later(job, due, &coherence.registry);
            }
        }
        drop(state);
        coherence.observe(lineage, now);
        coherence.emptied.notify_waiters();
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
            state.under_way -= 1;
            if job.attempts == 0 {
                coherence.invalidate(job.tags(), now);
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
        // The source was written before it was handed out: what is loaded since has that.
        self.fail(self.since);
    }
}

//! Bumps that are still to be sent, and when.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    cell::{Cell, Registry},
    ledger::MOST_TAGS,
};
use crate::{
    clock::{Nanos, after},
    event::Tag,
};

/// Tags in one round trip, about.
const BATCH: usize = 64;
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// The bumps of one change.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) cells: Vec<Arc<Cell>>,
    /// The cells wait for it.
    pub(super) is_pending: bool,
    /// Times that it failed.
    pub(super) attempts: u32,
    /// It is to be sent once more, so long after it was acknowledged.
    pub(super) again: Option<Duration>,
    /// The mark that it takes away: of a guarded mutation.
    pub(super) nonce: Option<Arc<str>>,
    /// Who wants to know whether it was acknowledged.
    pub(super) waiter: Option<oneshot::Sender<bool>>,
}

impl Job {
    /// Has the cells wait for it.
    pub(super) fn expect_ack(&mut self) {
        if !std::mem::replace(&mut self.is_pending, true) {
            self.cells.iter().for_each(|cell| cell.expect_ack());
        }
    }

    pub(super) fn has_ack(&mut self) {
        if std::mem::take(&mut self.is_pending) {
            self.cells.iter().for_each(|cell| cell.has_ack());
        }
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = &Tag> + Clone {
        self.cells.iter().map(|cell| cell.tag())
    }

    pub(super) fn tell(&mut self, is_acknowledged: bool) {
        if let Some(waiter) = self.waiter.take() {
            // Whoever waited may be gone.
            let _ = waiter.send(is_acknowledged);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.has_ack();
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: VecDeque<Job>,
    /// By when they are due, and a number that tells them apart.
    later: BTreeMap<(Nanos, u64), Job>,
    last: u64,
    /// Tags among `later`, by event.
    waiting: HashMap<String, usize>,
}

impl Queue {
    pub(super) fn push(&mut self, job: Job) {
        self.ready.push_back(job);
    }

    pub(super) fn push_later(&mut self, job: Job, due: Nanos, registry: &Arc<Registry>) {
        let mut crowded = None;
        for cell in &job.cells {
            let count = self
                .waiting
                .entry(cell.tag().event().to_owned())
                .or_default();
            *count += 1;
            if *count > MOST_TAGS {
                crowded = Some(cell.tag().event().to_owned());
            }
        }
        self.last += 1;
        self.later.insert((due, self.last), job);
        if let Some(event) = crowded {
            self.collapse(&event, due, registry);
        }
    }

    /// When a job that failed is tried again.
    pub(super) fn retry_at(now: Nanos, attempts: u32) -> Nanos {
        let wait = FIRST_RETRY.saturating_mul(1 << attempts.saturating_sub(1).min(8));
        after(now, wait.min(LAST_RETRY))
    }

    /// Makes one bump of the whole event of all that wait for it: coarser, and nothing lost.
    fn collapse(&mut self, event: &str, due: Nanos, registry: &Arc<Registry>) {
        let tags = Tag::of_whole_event(event);
        let mut whole = Job {
            cells: tags.map(|tag| registry.get_or_create(&tag)).into(),
            is_pending: false,
            attempts: 1,
            again: None,
            nonce: None,
            waiter: None,
        };
        // Before those of the others cease to be.
        whole.expect_ack();
        whole.cells.iter().for_each(|cell| cell.invalidate());
        let is_of_event = |job: &Job| job.cells.iter().all(|cell| cell.tag().event() == event);
        let keys: Vec<_> = self
            .later
            .iter()
            .filter(|(_, job)| is_of_event(job))
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            if let Some(job) = self.later.remove(&key) {
                whole.again = whole.again.max(job.again);
                self.forget(&job);
            }
        }
        self.last += 1;
        *self.waiting.entry(event.to_owned()).or_default() += whole.cells.len();
        self.later.insert((due, self.last), whole);
    }

    fn forget(&mut self, job: &Job) {
        for cell in &job.cells {
            let event = cell.tag().event();
            if let Some(count) = self.waiting.get_mut(event) {
                *count -= 1;
                if *count == 0 {
                    self.waiting.remove(event);
                }
            }
        }
    }

    /// What is to be sent now.
    pub(super) fn next_batch(&mut self, now: Nanos) -> Vec<Job> {
        while let Some((&(due, number), _)) = self.later.first_key_value()
            && due <= now
            && let Some(job) = self.later.remove(&(due, number))
        {
            self.forget(&job);
            self.ready.push_back(job);
        }
        let (mut batch, mut tags) = (Vec::new(), 0);
        while tags < BATCH
            // One that takes a mark away goes alone: a batch has one nonce.
            && self.ready.front().is_some_and(|next| tags == 0 || next.nonce.is_none())
            && let Some(mut job) = self.ready.pop_front()
        {
            tags += if job.nonce.is_some() {
                BATCH
            } else {
                job.cells.len()
            };
            job.expect_ack();
            batch.push(job);
        }
        batch
    }

    /// Has what failed tried at once: the server is there again.
    pub(super) fn retry_now(&mut self) {
        // What has not failed waits for its own time.
        self.advance(|job| job.attempts > 0);
    }

    /// Has everything sent at once: there will be no later.
    pub(super) fn send_now(&mut self) {
        self.advance(|_| true);
    }

    fn advance(&mut self, is_due: impl Fn(&Job) -> bool) {
        let later = std::mem::take(&mut self.later);
        for (key, job) in later {
            if is_due(&job) {
                self.forget(&job);
                self.ready.push_back(job);
            } else {
                self.later.insert(key, job);
            }
        }
    }

    /// When the next job is due that is not ready yet.
    pub(super) fn next_due(&self) -> Option<Nanos> {
        if !self.ready.is_empty() {
            return Some(0);
        }
        self.later.first_key_value().map(|((due, _), _)| *due)
    }

    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.later.len()
    }
}

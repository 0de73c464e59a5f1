//! Bumps that are still to be sent, and when.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    Emitted,
    cell::{Cell, Registry},
    emitted::UNKNOWN,
    ledger::MOST_TAGS,
    outgoing::Nonces,
};
use crate::{
    clock::{Nanos, after},
    event::Tag,
    watchdog,
};

/// Tags in one round trip, about: more where more wait, so that a long line carries as many as are emitted.
const BATCH: usize = 64;
const LARGEST_BATCH: usize = 4_096;
/// More tags of one event that wait to be sent for the first time become all of it.
const MOST_READY: usize = 50_000;
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(1);
const FIRST_RETRY_OF_REFUSED: Duration = Duration::from_secs(1);
const LAST_RETRY_OF_REFUSED: Duration = Duration::from_secs(30);

/// What stands for many second words is said so often while they become due.
const PACE: u32 = 8;

/// A tag, and the nonces of those whose marks on it go.
pub(super) type Unmarked = (Arc<Cell>, Nonces);

/// The bumps of one change, or of several that go as one. In one piece to the end: what somebody loads who sees one of them
/// and not the other would be stale for as long as it lives.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) cells: Vec<Unmarked>,
    /// Nothing where that is not known.
    pub(super) emitted: Option<Emitted>,
    /// The cells wait for it.
    pub(super) is_pending: bool,
    /// Times that it failed.
    pub(super) attempts: u32,
    /// It is to be sent once more, so long after it was acknowledged.
    pub(super) again: Option<Duration>,
    /// Until then there are second words among what it stands for that were to be said later than others: it is said now and
    /// then, and last at that time. Zero where there are none.
    pub(super) until: Nanos,
    /// When it was last seen to here, where it failed.
    pub(super) said: Nanos,
    /// Who wants to know whether it was acknowledged.
    pub(super) waiters: Vec<oneshot::Sender<bool>>,
}

impl Job {
    pub(super) fn of(cells: impl IntoIterator<Item = Arc<Cell>>) -> Self {
        Self {
            cells: cells
                .into_iter()
                .map(|cell| (cell, Nonces::new()))
                .collect(),
            emitted: None,
            is_pending: false,
            attempts: 0,
            again: None,
            until: 0,
            said: 0,
            waiters: Vec::new(),
        }
    }

    /// Has the cells wait for it.
    pub(super) fn expect_ack(&mut self) {
        if !std::mem::replace(&mut self.is_pending, true) {
            self.cells.iter().for_each(|(cell, _)| cell.expect_ack());
        }
    }

    pub(super) fn acknowledged(&mut self) {
        if std::mem::take(&mut self.is_pending) {
            self.cells.iter().for_each(|(cell, _)| cell.acknowledged());
        }
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = &Tag> + Clone {
        self.cells.iter().map(|(cell, _)| cell.tag())
    }

    /// All of an event.
    fn of_whole(event: &str, registry: &Arc<Registry>) -> Self {
        let whole = Tag::of_whole_event(event);
        Self::of(whole.iter().map(|tag| registry.get_or_create(tag)))
    }

    /// This job, on the cells of another registry.
    fn in_registry(mut self, registry: &Arc<Registry>) -> Self {
        let cells = self
            .cells
            .iter()
            .map(|(cell, _)| registry.get_or_create(cell.tag()));
        let mut moved = Self::of(cells.collect::<Vec<_>>());
        for (moved, (_, nonces)) in moved.cells.iter_mut().zip(&mut self.cells) {
            moved.1.append(nonces);
        }
        if self.is_pending {
            moved.expect_ack();
        }
        moved.emitted = self.emitted.take();
        moved.attempts = self.attempts;
        moved.again = self.again;
        moved.until = self.until;
        moved.said = self.said;
        moved.waiters = std::mem::take(&mut self.waiters);
        moved
    }

    fn has_tags_of(&self, event: &str) -> bool {
        self.tags().any(|tag| tag.event() == event)
    }

    /// Takes all of another over, but for its tags of an event, of which this one has the whole. Those who waited for the
    /// other wait for this.
    fn absorb(&mut self, mut other: Self, event: &str) {
        let is_pending = std::mem::take(&mut other.is_pending);
        for (cell, nonces) in std::mem::take(&mut other.cells) {
            let is_covered = cell.tag().event() == event;
            match (is_pending, self.is_pending && !is_covered) {
                (true, false) => cell.acknowledged(),
                (false, true) => cell.expect_ack(),
                _ => {}
            }
            if !is_covered {
                self.cells.push((cell, nonces));
            }
        }
        self.waiters.append(&mut other.waiters);
        self.again = self.again.max(other.again);
        self.until = self.until.max(other.until);
        // It has failed, if one of them has, and begins anew.
        self.attempts = self.attempts.max(other.attempts.min(1));
    }

    /// Whether this process has to see to it on its own, as the servers do not take it: also once more, where it is not
    /// known whether it happened.
    pub(super) fn is_to_be_said(&mut self, now: Nanos) -> bool {
        let is_due = |again| now >= after(self.said, again);
        let is_to_be_said =
            self.attempts == 0 || self.said < self.until || self.again.is_some_and(is_due);
        if is_to_be_said {
            self.said = now;
        }
        is_to_be_said
    }

    /// It was said. Gives when it is to be said once more, where a word about what came to light late is due so long after
    /// the first one.
    pub(super) fn said_again_at(&mut self, now: Nanos, unknown_outcome: Duration) -> Option<Nanos> {
        let again = self.again.take().map(|again| after(now, again));
        if self.until <= now {
            self.until = 0;
            return again;
        }
        // None of those that it stands for waits much longer than it was to.
        let soon = after(now, unknown_outcome / PACE).min(self.until);
        self.until = self.until.max(again.unwrap_or(0));
        Some(soon)
    }

    pub(super) fn tell(&mut self, is_acknowledged: bool, answers: &mut Answers) {
        let waiters = self.waiters.drain(..);
        answers
            .0
            .extend(waiters.map(|waiter| (waiter, is_acknowledged)));
    }
}

/// What those who wait are to be told where no lock is held: a waker may do anything.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Answers(Vec<(oneshot::Sender<bool>, bool)>);

impl Answers {
    pub(super) fn give(self) {
        for (waiter, is_acknowledged) in self.0 {
            watchdog::shielded(|| {
                // Whoever waited may be gone.
                let _ = waiter.send(is_acknowledged);
            });
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.acknowledged();
    }
}

/// How many tags of each event wait.
#[derive(Debug, Default)]
struct Crowds {
    events: HashMap<String, usize>,
    all: usize,
}

impl Crowds {
    /// Gives the events that there are more than `most` of now.
    fn add(&mut self, job: &Job, most: usize) -> Vec<String> {
        let mut crowded = Vec::new();
        for tag in job.tags() {
            let event = tag.event();
            let count = match self.events.get_mut(event) {
                Some(count) => count,
                None => self.events.entry(event.to_owned()).or_default(),
            };
            *count += 1;
            if *count > most && !crowded.iter().any(|known| known == event) {
                crowded.push(event.to_owned());
            }
        }
        self.all += job.cells.len();
        crowded
    }

    fn remove(&mut self, event: &str, tags: usize) {
        if let Some(count) = self.events.get_mut(event) {
            *count -= tags;
            self.all -= tags;
            if *count == 0 {
                self.events.remove(event);
            }
        }
    }

    fn forget(&mut self, job: &Job) {
        for tag in job.tags() {
            self.remove(tag.event(), 1);
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: VecDeque<Job>,
    at_once: Crowds,
    /// By when they are due, and a number that tells them apart.
    later: BTreeMap<(Nanos, u64), Job>,
    last: u64,
    by_and_by: Crowds,
}

impl Queue {
    pub(super) fn push(&mut self, job: Job, registry: &Arc<Registry>) {
        let crowded = self.at_once.add(&job, MOST_READY);
        self.ready.push_back(job);
        for event in crowded {
            self.collapse_ready(&event, registry);
        }
    }

    pub(super) fn push_later(&mut self, job: Job, due: Nanos, registry: &Arc<Registry>) {
        let crowded = self.by_and_by.add(&job, MOST_TAGS);
        self.last += 1;
        self.later.insert((due, self.last), job);
        for event in crowded {
            self.collapse_later(&event, registry);
        }
    }

    /// When a job that failed is tried again.
    pub(super) fn retry_at(now: Nanos, attempts: u32) -> Nanos {
        after(now, doubled(FIRST_RETRY, attempts).min(LAST_RETRY))
    }

    /// The same where it is refused, and each attempt asks much of the server for nothing.
    pub(super) fn retry_refused_at(now: Nanos, attempts: u32) -> Nanos {
        let wait = doubled(FIRST_RETRY_OF_REFUSED, attempts);
        after(now, wait.min(LAST_RETRY_OF_REFUSED))
    }

    /// Makes one job of all that are to be sent and have tags of an event, and one bump of the whole event in it: coarser,
    /// and nothing lost. The marks that some of them would have taken away from its tags end by themselves.
    fn collapse_ready(&mut self, event: &str, registry: &Arc<Registry>) {
        let mut whole = Job::of_whole(event, registry);
        // Before those of the others cease to be.
        whole.expect_ack();
        let ready = std::mem::take(&mut self.ready).into_iter();
        let (crowd, others): (VecDeque<_>, _) = ready.partition(|job| job.has_tags_of(event));
        self.ready = others;
        whole.emitted = Emitted::all(crowd.iter().map(|job| &job.emitted));
        for job in crowd {
            self.at_once.forget(&job);
            whole.absorb(job, event);
        }
        self.ready_now(whole);
    }

    /// The same of all that wait. It is due when the first of them is, however many come behind it.
    fn collapse_later(&mut self, event: &str, registry: &Arc<Registry>) {
        let crowd = self.later.iter().filter(|(_, job)| job.has_tags_of(event));
        let crowd: Vec<_> = crowd.map(|(key, _)| *key).collect();
        let Some(&(due, _)) = crowd.first() else {
            return;
        };
        let mut whole = Job::of_whole(event, registry);
        whole.emitted = Emitted::all(crowd.iter().map(|key| &self.later[key].emitted));
        // What has not failed has been told to others once: nothing waits for its second word.
        if crowd.iter().any(|key| self.later[key].is_pending) {
            whole.expect_ack();
            registry.invalidate(whole.cells.iter().map(|(cell, _)| &**cell), |_| UNKNOWN);
        }
        for key in crowd {
            let Some(mut job) = self.later.remove(&key) else {
                continue;
            };
            self.by_and_by.forget(&job);
            // What has not failed was to be said then, and no sooner.
            if job.attempts == 0 && key.0 > due {
                job.until = job.until.max(key.0);
            }
            whole.absorb(job, event);
        }
        self.by_and_by.add(&whole, MOST_TAGS);
        self.last += 1;
        self.later.insert((due, self.last), whole);
    }

    fn ready_now(&mut self, job: Job) {
        self.at_once.add(&job, MOST_READY);
        self.ready.push_back(job);
    }

    /// What is to be sent now.
    pub(super) fn next_batch(&mut self, now: Nanos) -> Vec<Job> {
        while let Some((&(due, number), _)) = self.later.first_key_value()
            && due <= now
            && let Some(job) = self.later.remove(&(due, number))
        {
            self.by_and_by.forget(&job);
            self.ready_now(job);
        }
        let most = self.at_once.all.clamp(BATCH, LARGEST_BATCH);
        let (mut batch, mut tags) = (Vec::new(), 0);
        while tags < most
            && let Some(mut job) = self.ready.pop_front()
        {
            self.at_once.forget(&job);
            tags += job.cells.len();
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
        self.ready.iter_mut().for_each(|job| job.until = 0);
    }

    fn advance(&mut self, is_due: impl Fn(&Job) -> bool) {
        let later = std::mem::take(&mut self.later);
        for (key, job) in later {
            if is_due(&job) {
                self.by_and_by.forget(&job);
                self.ready_now(job);
            } else {
                self.later.insert(key, job);
            }
        }
    }

    /// Moves everything to another, whose cells are these.
    pub(super) fn move_to(self, other: &mut Self, registry: &Arc<Registry>) {
        for job in self.ready {
            other.push(job.in_registry(registry), registry);
        }
        for ((due, _), job) in self.later {
            other.push_later(job.in_registry(registry), due, registry);
        }
    }

    /// When there is something to send next: zero where something is ready.
    pub(super) fn next_due(&self) -> Option<Nanos> {
        if !self.ready.is_empty() {
            return Some(0);
        }
        self.later.first_key_value().map(|((due, _), _)| *due)
    }

    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.later.len()
    }

    /// Those that their cells wait for.
    pub(super) fn unacknowledged(&self) -> usize {
        let jobs = self.ready.iter().chain(self.later.values());
        jobs.filter(|job| job.is_pending).count()
    }
}

/// The first wait, and twice the one before after each of the attempts behind it.
fn doubled(first: Duration, attempts: u32) -> Duration {
    first.saturating_mul(1 << attempts.saturating_sub(1).min(8))
}

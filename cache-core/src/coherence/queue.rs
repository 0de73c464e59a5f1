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
    /// When it was last seen to here, where it failed.
    pub(super) said: Nanos,
    /// The mark that it takes away: of a guarded mutation.
    pub(super) nonce: Option<Arc<str>>,
    /// Who wants to know whether it was acknowledged.
    pub(super) waiters: Vec<oneshot::Sender<bool>>,
}

impl Job {
    pub(super) fn of(cells: impl IntoIterator<Item = Arc<Cell>>) -> Self {
        Self {
            cells: cells.into_iter().collect(),
            is_pending: false,
            attempts: 0,
            again: None,
            said: 0,
            nonce: None,
            waiters: Vec::new(),
        }
    }

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

    /// All of an event.
    fn of_whole(event: &str, registry: &Arc<Registry>) -> Self {
        let whole = Tag::of_whole_event(event);
        Self::of(whole.iter().map(|tag| registry.get_or_create(tag)))
    }

    /// The same of the cells of another registry.
    fn in_registry(mut self, registry: &Arc<Registry>) -> Self {
        let cells = self
            .cells
            .iter()
            .map(|cell| registry.get_or_create(cell.tag()));
        let mut moved = Self::of(cells.collect::<Vec<_>>());
        if self.is_pending {
            moved.expect_ack();
        }
        moved.attempts = self.attempts;
        moved.again = self.again;
        moved.said = self.said;
        moved.nonce = self.nonce.take();
        moved.waiters = std::mem::take(&mut self.waiters);
        moved
    }

    /// Leaves the tags of an event to another one. Gives how many there were.
    fn give_up(&mut self, event: &str) -> usize {
        let (given, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.cells)
            .into_iter()
            .partition(|cell| cell.tag().event() == event);
        self.cells = kept;
        if self.is_pending {
            for cell in &given {
                cell.has_ack();
            }
        }
        given.len()
    }

    /// Whether this process has to see to it on its own, as the servers do not take it: also once more, where it is not
    /// known whether it happened.
    pub(super) fn is_to_be_said(&mut self, now: Nanos) -> bool {
        let is_due = |again| now >= after(self.said, again);
        let is_to_be_said = self.attempts == 0 || self.again.is_some_and(is_due);
        if is_to_be_said {
            self.said = now;
        }
        is_to_be_said
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
        self.has_ack();
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
        for cell in &job.cells {
            let event = cell.tag().event();
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
        for cell in &job.cells {
            self.remove(cell.tag().event(), 1);
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
    /// Of those whose jobs became parts of others.
    pub(super) given_up: Answers,
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
            self.collapse_later(&event, due, registry);
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

    /// Makes one bump of the whole event of all that are to be sent: coarser, and nothing lost. The marks that some of them
    /// would have taken away end by themselves.
    fn collapse_ready(&mut self, event: &str, registry: &Arc<Registry>) {
        let mut whole = Job::of_whole(event, registry);
        // Before those of the others cease to be.
        whole.expect_ack();
        let (crowds, given_up) = (&mut self.at_once, &mut self.given_up);
        self.ready.retain_mut(|job| {
            let given = job.give_up(event);
            crowds.remove(event, given);
            if given > 0 {
                whole.again = whole.again.max(job.again);
                if job.cells.is_empty() {
                    whole.waiters.append(&mut job.waiters);
                }
                // Of one in two parts nobody would know when both have arrived.
                job.tell(false, given_up);
            }
            !job.cells.is_empty()
        });
        self.ready_now(whole);
    }

    /// The same of all that wait.
    fn collapse_later(&mut self, event: &str, due: Nanos, registry: &Arc<Registry>) {
        let mut whole = Job::of_whole(event, registry);
        whole.expect_ack();
        registry.invalidate(whole.cells.iter().map(|cell| &**cell));
        let crowds = &mut self.by_and_by;
        self.later.retain(|(at, _), job| {
            let given = job.give_up(event);
            crowds.remove(event, given);
            if given > 0 {
                // What has not failed was to be said then, and no sooner.
                let wait = Duration::from_nanos(at.saturating_sub(due));
                let then = (job.attempts == 0 && !wait.is_zero()).then_some(wait);
                whole.again = whole.again.max(job.again).max(then);
                whole.attempts = whole.attempts.max(job.attempts.min(1));
            }
            !job.cells.is_empty()
        });
        self.last += 1;
        crowds.add(&whole, MOST_TAGS);
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
        other.given_up.0.extend(self.given_up.0);
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn job(registry: &Arc<Registry>, tags: &[String], attempts: u32) -> Job {
        let mut job = Job::of(
            tags.iter()
                .map(|tag| registry.get_or_create(&Tag::from_name(tag))),
        );
        job.attempts = attempts;
        if attempts > 0 {
            job.expect_ack();
        }
        job
    }

    #[test]
    fn a_crowd_of_one_event_becomes_one_bump_also_where_others_are_emitted_with_it() {
        let (registry, mut queue) = (Registry::alone("shop"), Queue::default());
        let first = registry.get_or_create(&Tag::from_name("E:0"));
        for id in 0..=MOST_TAGS {
            let tags = [format!("E:{id}"), format!("F:{}", id % 7)];
            queue.push_later(job(&registry, &tags, 1), SECOND, &registry);
        }
        assert!(!first.is_pending());
        for whole in Tag::of_whole_event("E") {
            assert!(registry.get(&whole).is_some_and(|cell| cell.is_pending()));
        }
        let mut left = std::iter::repeat_with(|| queue.next_batch(SECOND))
            .take_while(|batch| !batch.is_empty())
            .flatten()
            .flat_map(|job| job.tags().cloned().collect::<Vec<_>>())
            .collect::<Vec<_>>();
        left.sort_unstable();
        left.dedup();
        let of = |event: &str| left.iter().filter(|tag| tag.event() == event).count();
        assert!(of("E") <= 2 && of("F") <= 7, "{left:?}");
        assert!(queue.by_and_by.events.is_empty() && queue.at_once.events.is_empty());
    }

    #[test]
    fn a_crowd_that_was_never_sent_becomes_one_bump_that_its_callers_wait_for() {
        let (registry, mut queue) = (Registry::alone("shop"), Queue::default());
        let mut waiting = Vec::new();
        for (id, tags) in (0..=MOST_READY).map(|id| (id, vec![format!("E:{id}")])) {
            let mut job = job(&registry, &tags, 0);
            job.expect_ack();
            if id == 1 {
                let both = ["E:1".to_owned(), "F:1".to_owned()];
                job = self::job(&registry, &both, 0);
            }
            if id < 2 {
                let (waiter, answer) = oneshot::channel();
                job.waiters.push(waiter);
                waiting.push(answer);
            }
            queue.push(job, &registry);
        }
        assert_eq!(queue.len(), 2);
        let mut batch = queue.next_batch(SECOND);
        let mut told = std::mem::take(&mut queue.given_up);
        for job in &mut batch {
            job.tell(true, &mut told);
        }
        told.give();
        let answers: Vec<_> = waiting
            .iter_mut()
            .map(oneshot::Receiver::try_recv)
            .collect();
        assert_eq!(answers, [Ok(true), Ok(false)], "the second is in two parts");
        assert!(
            batch
                .iter()
                .any(|job| job.tags().eq(&Tag::of_whole_event("E")))
        );
        assert!(queue.at_once.events.is_empty());
    }

    #[test]
    fn what_is_to_be_said_later_is_said_then_though_it_is_in_a_crowd() {
        let (registry, mut queue) = (Registry::alone("shop"), Queue::default());
        queue.push_later(job(&registry, &["E:x".into()], 0), 5 * SECOND, &registry);
        for id in 0..MOST_TAGS {
            let failed = job(&registry, &[format!("E:{id}")], 1);
            queue.push_later(failed, SECOND, &registry);
        }
        let whole = queue.next_batch(SECOND).pop().unwrap();
        assert_eq!(whole.again, Some(Duration::from_secs(4)));
    }
}

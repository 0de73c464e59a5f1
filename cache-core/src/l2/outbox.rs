//! Writes on their way to the store: bounded, one per key and the latest of it, sent in batches by a
//! task that lives while there is something to send.
//!
//! Two writes of one key are never under way at once, so a key ends as its last write says, unless an earlier one that got
//! no answer in time lands after it. Until it has arrived, readers of this process ask here and not the store, which has
//! what was there before.

use std::{
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, oneshot};

use super::{
    Holder, L2, LARGE, Message,
    entries::{Entries, EntryKey},
};
use crate::{
    clock::{Nanos, system_now},
    l1::Node,
    lock::{Mutex, MutexGuard},
};

/// Beyond these a fill is not sent: the entry is one that the next process loads itself.
const MOST_WRITES: usize = 8_192;
const MOST_BYTES: usize = 32 << 20;
/// A delete takes the place of a fill; so many are more than an outage of minutes brings. Beyond them it is not known any
/// more what is to be deleted, and no older entry is taken at all.
const MOST_DELETES: usize = 65_536;

/// One round trip.
const BATCH_WRITES: usize = 64;
const BATCH_BYTES: usize = 256 << 10;

/// One batch of small writes and one large write.
const MOST_TASKS: usize = 2;

/// A task that has not gone on for so long belongs to a runtime that nobody drives.
const STUCK_AFTER: Nanos = 5_000_000_000;

/// One change on its way.
#[derive(Debug)]
pub(crate) enum Change {
    Fill(Fill),
    /// Tells when it was tried.
    Delete(Vec<oneshot::Sender<()>>),
    /// A lease is given back, behind the entry that was loaded under it; to all, where there is none.
    Release {
        holder: Holder,
        entry: String,
        to_all: bool,
    },
    /// There is only something to tell.
    Nothing,
}

/// An entry on its way. It is encoded when it is sent.
#[derive(Debug)]
pub(crate) struct Fill {
    pub(crate) entries: Arc<Entries>,
    pub(crate) node: Arc<Node>,
    /// On the store's clock, in microseconds.
    pub(crate) created: u64,
    /// When it is no longer fresh, on the store's clock.
    pub(crate) stale: u64,
    pub(crate) expires: u64,
    /// In microseconds.
    pub(crate) load_time: u32,
    /// There may be an older entry. Where this one cannot be written, that one has to go.
    pub(crate) replaces: bool,
}

impl Change {
    /// About how many bytes it holds in memory and on the wire.
    fn bytes(&self) -> usize {
        match self {
            Self::Fill(fill) => fill.node.entry().size(),
            Self::Delete(_) | Self::Release { .. } | Self::Nothing => 0,
        }
    }

    fn is_delete(&self) -> bool {
        matches!(self, Self::Delete(_))
    }
}

/// An entry that has not arrived.
#[derive(Clone, Debug)]
pub(crate) struct UnsentEntry {
    pub(crate) node: Arc<Node>,
    /// Whose it is: functions that share a name may hold their values differently.
    pub(crate) entries: Arc<Entries>,
    pub(crate) check: u64,
}

/// What a change that has not arrived makes of an entry.
#[derive(Clone, Debug)]
pub(crate) enum Latest {
    Entry(UnsentEntry),
    Deleted,
}

impl Latest {
    fn of(letter: &Letter) -> Self {
        match &letter.change {
            Change::Fill(fill) => Self::Entry(UnsentEntry {
                node: Arc::clone(&fill.node),
                entries: Arc::clone(&fill.entries),
                check: letter.key.check,
            }),
            Change::Delete(_) | Change::Release { .. } | Change::Nothing => Self::Deleted,
        }
    }
}

/// A change with its address.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) key: EntryKey,
    pub(crate) change: Change,
    /// What is published behind it.
    pub(crate) message: Option<Message>,
    bytes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// How many changes have not arrived: what readers look at first.
    unsent: AtomicUsize,
    /// When a delete was last lost.
    lost_at: AtomicU64,
    emptied: Notify,
}

/// When a change goes: deletes before fills, else as they came.
type Ticket = (bool, u64);

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<Ticket, Letter>,
    tickets: HashMap<String, Ticket>,
    next_ticket: u64,
    bytes: usize,
    under_way: HashMap<String, Sent>,
    /// Those that send, by their numbers: what one does afterwards that was given up does not count.
    tasks: BTreeMap<u64, Task>,
    last_task: u64,
    /// Entries that are to be dropped where no lock is held: a value's own `Drop` may do anything.
    dropped: Vec<Latest>,
    /// What was to be deleted is still there, and nobody will delete it.
    has_lost_delete: bool,
}

/// A task that sends.
#[derive(Debug)]
struct Task {
    /// When it last went on.
    moved: Nanos,
    /// It sends a large value.
    is_large: bool,
}

/// A change that is being sent.
#[derive(Debug)]
struct Sent {
    task: u64,
    latest: Latest,
    /// What is to be deleted where it does not arrive: an older entry may be there.
    outdated: Option<EntryKey>,
}

impl Sent {
    fn of(letter: &Letter, task: u64) -> Self {
        let is_outdated = match &letter.change {
            Change::Fill(fill) => fill.replaces,
            Change::Delete(_) => true,
            Change::Release { .. } | Change::Nothing => false,
        };
        Self {
            task,
            latest: Latest::of(letter),
            outdated: is_outdated.then(|| letter.key.clone()),
        }
    }
}

/// What became of a change that was handed over. To be dropped where no lock is held: a value's own `Drop`
/// may do anything.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    /// A change for which there was no room.
    pub(crate) lost: Option<Change>,
    pub(crate) needs_task: bool,
    /// Starts to send when this is dropped.
    pub(crate) sender: Option<Arc<L2>>,
    displaced: Option<Change>,
    dropped: Vec<Latest>,
}

impl Drop for Posted {
    fn drop(&mut self) {
        if let Some(l2) = self.sender.take() {
            l2.start_sending();
        }
    }
}

impl Outbox {
    /// Hands a change over. It takes the place of an earlier one of its key.
    pub(crate) fn post(&self, key: EntryKey, change: Change, message: Option<Message>) -> Posted {
        let mut state = self.state.lock();
        let mut posted = state.post(key, change, message);
        posted.needs_task = state.needs_task(system_now());
        posted.dropped = std::mem::take(&mut state.dropped);
        self.leave(state);
        posted
    }

    /// Whether an entry that was there at `created` may be one whose delete was lost.
    pub(crate) fn may_have_lost(&self, created: Nanos) -> bool {
        let lost_at = self.lost_at.load(Ordering::Acquire);
        lost_at > 0 && created <= lost_at
    }

    /// Nobody is left whose entries these are: only what is to be deleted still is.
    pub(crate) fn forget_fills(&self) {
        let mut state = self.state.lock();
        let left = state.forget_fills();
        self.leave(state);
        drop(left);
    }

    /// Puts back a delete that did not arrive, unless a later change has taken its place.
    pub(crate) fn put_back(&self, key: EntryKey) {
        let mut state = self.state.lock();
        state.put_back(key);
        self.leave(state);
    }

    /// What the last change of a key made of its entry, while it has not arrived.
    pub(crate) fn latest(&self, key: &EntryKey) -> Option<Latest> {
        if self.unsent.load(Ordering::Acquire) == 0 {
            return None;
        }
        let state = self.state.lock();
        match state.tickets.get(&key.name) {
            Some(ticket) => state.waiting.get(ticket).map(Latest::of),
            None => state
                .under_way
                .get(&key.name)
                .map(|sent| sent.latest.clone()),
        }
    }

    /// Lets others see what changed, and drops what is left where no lock is held.
    fn leave(&self, mut state: MutexGuard<'_, State>) {
        let dropped = std::mem::take(&mut state.dropped);
        if std::mem::take(&mut state.has_lost_delete) {
            self.lost_at.fetch_max(system_now(), Ordering::AcqRel);
        }
        let unsent = state.len();
        self.unsent.store(unsent, Ordering::Release);
        drop(state);
        // One that panics must not take along what is sent with it.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(dropped)));
        if unsent == 0 {
            self.emptied.notify_waiters();
        }
    }

    /// A place for a task that sends, where there is one.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Sending> {
        let mut state = self.state.lock();
        let now = system_now();
        let needs_task = state.needs_task(now);
        if needs_task {
            state.last_task += 1;
            let task = Task {
                moved: now,
                is_large: false,
            };
            let number = state.last_task;
            state.tasks.insert(number, task);
        }
        let number = state.last_task;
        self.leave(state);
        needs_task.then(|| Sending {
            outbox: Arc::clone(self),
            number,
            under_way: Vec::new(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.unsent.load(Ordering::Acquire)
    }

    /// Waits until nothing is on its way.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl State {
    fn needs_task(&mut self, now: Nanos) -> bool {
        let is_stuck = |_: &u64, task: &mut Task| now.saturating_sub(task.moved) > STUCK_AFTER;
        let stuck: Vec<_> = self.tasks.extract_if(.., is_stuck).collect();
        for (number, _) in stuck {
            let left = self.under_way.extract_if(|_, sent| sent.task == number);
            for (_, sent) in left.collect::<Vec<_>>() {
                self.give_up(sent);
            }
        }
        let is_busy =
            !self.tasks.is_empty() && !self.is_sending_large() && self.waiting.len() < BATCH_WRITES;
        !self.waiting.is_empty() && self.tasks.len() < MOST_TASKS && !is_busy
    }

    fn is_sending_large(&self) -> bool {
        self.tasks.values().any(|task| task.is_large)
    }

    fn len(&self) -> usize {
        self.waiting.len() + self.under_way.len()
    }

    /// Nobody knows whether it has arrived.
    fn give_up(&mut self, sent: Sent) {
        self.dropped.push(sent.latest);
        if let Some(key) = sent.outdated {
            self.put_back(key);
        }
    }

    /// Takes out the fills that wait. Where one was to replace an entry, a delete takes its place.
    fn forget_fills(&mut self) -> Vec<Letter> {
        let fills = self.waiting.iter().filter_map(|(ticket, letter)| {
            let is_fill = matches!(letter.change, Change::Fill(_));
            is_fill.then_some(*ticket)
        });
        let fills: Vec<Ticket> = fills.collect();
        let mut left = Vec::new();
        for ticket in fills {
            let Some(letter) = self.remove(ticket) else {
                continue;
            };
            if matches!(&letter.change, Change::Fill(fill) if fill.replaces) {
                drop(self.post(letter.key.clone(), Change::Delete(Vec::new()), None));
            }
            left.push(letter);
        }
        left
    }

    /// A delete that did not arrive, unless a later change has taken its place: a fill that does not arrive either is then
    /// to be made good as well.
    fn put_back(&mut self, key: EntryKey) {
        let later = self.tickets.get(&key.name);
        match later.and_then(|ticket| self.waiting.get_mut(ticket)) {
            None => drop(self.post(key, Change::Delete(Vec::new()), None)),
            Some(Letter {
                change: Change::Fill(fill),
                ..
            }) => fill.replaces = true,
            Some(_) => {}
        }
    }

    fn post(&mut self, key: EntryKey, mut change: Change, mut message: Option<Message>) -> Posted {
        let mut posted = Posted::default();
        let before = self.tickets.get(&key.name).copied();
        let mut before = before.and_then(|ticket| self.remove(ticket));
        if let Some(before) = &mut before {
            message = message.or(before.message.take());
        }
        match (before.map(|letter| letter.change), &mut change) {
            (Some(Change::Delete(earlier)), Change::Delete(done)) => done.extend(earlier),
            (Some(earlier), change) => {
                if let Change::Fill(fill) = change {
                    fill.replaces |= match &earlier {
                        Change::Fill(earlier) => earlier.replaces,
                        Change::Delete(_) => true,
                        Change::Release { .. } | Change::Nothing => false,
                    };
                }
                posted.displaced = Some(earlier);
            }
            (None, _) => {}
        }
        let room = key.name.len()
            + key.full.as_ref().map_or(0, |full| full.len())
            + message.as_ref().map_or(0, |message| message.text.len());
        let is_full =
            self.waiting.len() >= MOST_WRITES || self.bytes + room + change.bytes() > MOST_BYTES;
        if is_full && let Change::Fill(Fill { replaces, .. }) = change {
            let delete = Change::Delete(Vec::new());
            posted.lost = Some(std::mem::replace(&mut change, delete));
            if !replaces {
                return posted;
            }
        }
        if !matches!(change, Change::Fill(_)) && self.waiting.len() >= MOST_DELETES {
            self.has_lost_delete |= change.is_delete();
            posted.lost.get_or_insert(change);
            return posted;
        }
        self.next_ticket += 1;
        let ticket = (!change.is_delete(), self.next_ticket);
        let bytes = room + change.bytes();
        self.bytes += bytes;
        self.tickets.insert(key.name.clone(), ticket);
        let letter = Letter {
            key,
            change,
            message,
            bytes,
        };
        self.waiting.insert(ticket, letter);
        posted
    }

    fn remove(&mut self, ticket: Ticket) -> Option<Letter> {
        let letter = self.waiting.remove(&ticket)?;
        self.tickets.remove(&letter.key.name);
        self.bytes -= letter.bytes;
        Some(letter)
    }

    /// Whether what it is to come behind has not arrived, and does not go with it either.
    fn is_early(&self, letter: &Letter, going: &[Ticket]) -> bool {
        let Change::Release { entry, .. } = &letter.change else {
            return false;
        };
        let waits = self.tickets.get(entry);
        self.under_way.contains_key(entry) || waits.is_some_and(|ticket| !going.contains(ticket))
    }

    /// The next changes that may go together: small ones, or one large one.
    fn next_batch(&mut self) -> (Vec<Letter>, bool) {
        let (mut tickets, mut bytes, mut is_large) = (Vec::new(), 0, false);
        for (&ticket, letter) in &self.waiting {
            if self.under_way.contains_key(&letter.key.name) || self.is_early(letter, &tickets) {
                continue;
            }
            if letter.bytes >= LARGE {
                if tickets.is_empty() && !self.is_sending_large() {
                    tickets.push(ticket);
                    is_large = true;
                    break;
                }
                continue;
            }
            bytes += letter.bytes;
            tickets.push(ticket);
            if tickets.len() >= BATCH_WRITES || bytes >= BATCH_BYTES {
                break;
            }
        }
        let batch = tickets.into_iter().filter_map(|ticket| self.remove(ticket));
        (batch.collect(), is_large)
    }
}

/// A task that sends, while it does.
#[derive(Debug)]
pub(crate) struct Sending {
    outbox: Arc<Outbox>,
    number: u64,
    under_way: Vec<String>,
}

impl Sending {
    /// Shows that it goes on. Gives whether it has not been given up: then others write what it would.
    pub(crate) fn goes_on(&self) -> bool {
        let mut state = self.outbox.state.lock();
        let task = state.tasks.get_mut(&self.number);
        task.map(|task| task.moved = system_now()).is_some()
    }

    /// Takes the next batch; those of the one before have arrived. When it is empty, the task's place is
    /// free for another: what is posted from now on will need one.
    pub(crate) fn next(&mut self) -> Vec<Letter> {
        let outbox = Arc::clone(&self.outbox);
        let mut state = outbox.state.lock();
        self.end_batch(&mut state, |state, sent| state.dropped.push(sent.latest));
        let mut batch = Vec::new();
        if state.tasks.contains_key(&self.number) {
            let is_large;
            (batch, is_large) = state.next_batch();
            let moved = system_now();
            state.tasks.insert(self.number, Task { moved, is_large });
        }
        for letter in &batch {
            let sent = Sent::of(letter, self.number);
            state.under_way.insert(letter.key.name.clone(), sent);
            self.under_way.push(letter.key.name.clone());
        }
        if batch.is_empty() {
            state.tasks.remove(&self.number);
        }
        outbox.leave(state);
        batch
    }

    /// Does something with each of the batch, which is no longer under way.
    fn end_batch(&mut self, state: &mut State, each: impl Fn(&mut State, Sent)) {
        let under_way = std::mem::take(&mut self.under_way);
        let Some(task) = state.tasks.get_mut(&self.number) else {
            return;
        };
        task.is_large = false;
        for name in under_way {
            if let Some(sent) = state.under_way.remove(&name) {
                each(state, sent);
            }
        }
    }
}

/// Its runtime may end while it sends.
impl Drop for Sending {
    fn drop(&mut self) {
        let outbox = Arc::clone(&self.outbox);
        let mut state = outbox.state.lock();
        self.end_batch(&mut state, State::give_up);
        state.tasks.remove(&self.number);
        outbox.leave(state);
    }
}

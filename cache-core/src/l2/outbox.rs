//! Writes on their way to the store: bounded, one per key and the latest of it, sent in batches by a
//! task that lives while there is something to send.
//!
//! Two writes of one key are never under way at once, so a key ends as its last write says.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::{
    LARGE,
    entries::{Entries, EntryKey},
};
use crate::{
    clock::{Nanos, system_now},
    l1::Stored,
};

/// Beyond these a fill is not sent: the entry is one that the next process loads itself.
const MOST_WRITES: usize = 8_192;
const MOST_BYTES: usize = 32 << 20;

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
    Delete(Option<oneshot::Sender<()>>),
}

/// An entry on its way. It is encoded when it is sent.
#[derive(Debug)]
pub(crate) struct Fill {
    pub(crate) entries: Arc<Entries>,
    pub(crate) node: Arc<dyn Stored>,
    /// On the store's clock, in microseconds.
    pub(crate) created: u64,
    pub(crate) expires: u64,
    /// In microseconds.
    pub(crate) load_time: u32,
}

impl Change {
    /// About how many bytes it holds in memory and on the wire.
    fn bytes(&self) -> usize {
        match self {
            Self::Fill(fill) => fill.node.entry().size(),
            Self::Delete(_) => 0,
        }
    }
}

/// A change with its address.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) key: EntryKey,
    pub(crate) change: Change,
    bytes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<u64, Letter>,
    tickets: HashMap<String, u64>,
    next_ticket: u64,
    bytes: usize,
    under_way: HashSet<String>,
    tasks: usize,
    is_sending_large: bool,
    /// Changes when tasks were given up: what they do afterwards does not count.
    generation: u64,
    moved: Nanos,
}

/// What became of a change that was handed over.
#[derive(Debug)]
pub(crate) struct Posted {
    /// An earlier change of the key, or the change itself where there was no room. Its value's own `Drop`
    /// may do anything: to be dropped where no lock is held.
    pub(crate) displaced: Option<Change>,
    pub(crate) is_taken: bool,
    pub(crate) needs_task: bool,
}

impl Outbox {
    /// Hands a change over. It takes the place of an earlier one of its key.
    pub(crate) fn post(&self, key: EntryKey, change: Change) -> Posted {
        let bytes = change.bytes();
        let mut state = self.state.lock();
        let before = state.tickets.get(&key.name).copied();
        let is_full = state.waiting.len() >= MOST_WRITES || state.bytes + bytes > MOST_BYTES;
        if is_full && before.is_none() {
            return Posted {
                displaced: Some(change),
                is_taken: false,
                needs_task: state.needs_task(),
            };
        }
        let displaced = before.and_then(|ticket| state.remove(ticket));
        state.next_ticket += 1;
        let ticket = state.next_ticket;
        state.bytes += bytes;
        state.tickets.insert(key.name.clone(), ticket);
        state.waiting.insert(ticket, Letter { key, change, bytes });
        Posted {
            displaced: displaced.map(|letter| letter.change),
            is_taken: true,
            needs_task: state.needs_task(),
        }
    }

    /// A place for a task that sends, where there is one.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Sending> {
        let mut state = self.state.lock();
        if !state.needs_task() {
            return None;
        }
        state.tasks += 1;
        state.moved = system_now();
        Some(Sending {
            outbox: Arc::clone(self),
            generation: state.generation,
            under_way: Vec::new(),
            is_large: false,
            has_ended: false,
        })
    }

    pub(crate) fn len(&self) -> usize {
        let state = self.state.lock();
        state.waiting.len() + state.under_way.len()
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
    fn needs_task(&mut self) -> bool {
        if self.tasks > 0 && system_now().saturating_sub(self.moved) > STUCK_AFTER {
            self.tasks = 0;
            self.generation += 1;
            self.is_sending_large = false;
            self.under_way.clear();
        }
        let is_busy = self.tasks > 0 && !self.is_sending_large && self.waiting.len() < BATCH_WRITES;
        !self.waiting.is_empty() && self.tasks < MOST_TASKS && !is_busy
    }

    fn remove(&mut self, ticket: u64) -> Option<Letter> {
        let letter = self.waiting.remove(&ticket)?;
        self.tickets.remove(&letter.key.name);
        self.bytes -= letter.bytes;
        Some(letter)
    }

    /// The next changes that may go together: small ones, or one large one.
    fn next_batch(&mut self) -> (Vec<Letter>, bool) {
        let (mut tickets, mut bytes, mut is_large) = (Vec::new(), 0, false);
        for (&ticket, letter) in &self.waiting {
            if self.under_way.contains(&letter.key.name) {
                continue;
            }
            if letter.bytes >= LARGE {
                if tickets.is_empty() && !self.is_sending_large {
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
    generation: u64,
    under_way: Vec<String>,
    is_large: bool,
    has_ended: bool,
}

impl Sending {
    /// Takes the next batch; those of the one before have arrived. When it is empty, the task's place is
    /// free for another: what is posted from now on will need one.
    pub(crate) fn next(&mut self) -> Vec<Letter> {
        let outbox = Arc::clone(&self.outbox);
        let mut state = outbox.state.lock();
        self.arrive(&mut state);
        if self.has_ended || state.generation != self.generation {
            return Vec::new();
        }
        state.moved = system_now();
        let (batch, is_large) = state.next_batch();
        if batch.is_empty() {
            self.end(&mut state);
            return batch;
        }
        self.is_large = is_large;
        state.is_sending_large |= is_large;
        for letter in &batch {
            state.under_way.insert(letter.key.name.clone());
            self.under_way.push(letter.key.name.clone());
        }
        batch
    }

    fn arrive(&mut self, state: &mut State) {
        let under_way = std::mem::take(&mut self.under_way);
        if state.generation != self.generation {
            return;
        }
        for name in under_way {
            state.under_way.remove(&name);
        }
        if std::mem::take(&mut self.is_large) {
            state.is_sending_large = false;
        }
    }

    fn end(&mut self, state: &mut State) {
        if !self.has_ended && state.generation == self.generation {
            state.tasks -= 1;
        }
        self.has_ended = true;
        if state.waiting.is_empty() && state.under_way.is_empty() {
            self.outbox.emptied.notify_waiters();
        }
    }
}

/// Its runtime may end while it sends.
impl Drop for Sending {
    fn drop(&mut self) {
        let outbox = Arc::clone(&self.outbox);
        let mut state = outbox.state.lock();
        self.arrive(&mut state);
        self.end(&mut state);
    }
}

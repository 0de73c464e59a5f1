//! Who reads now, and who waits for that. Whoever holds it holds the lock; it does no reading.

use std::{collections::VecDeque, time::Duration};

use tokio::sync::oneshot;

use super::{Answer, Keys, Question};
use crate::clock::{Nanos, after, system_now};

/// Reads and batches under way at once.
pub(in crate::l2::redis) const PLACES: usize = 8;
/// Batches among them, where those are not let go together.
const MOST_BATCHES: usize = 2;
/// Keys in one command, of reads that come one by one.
const MOST_KEYS: usize = 64;
/// Keys in one command, of reads that were held back to go together: readers of such an amount know what they ask for.
const MOST_HELD: usize = 4_096;
/// Of a script, which holds up the server for longer.
const MOST_HELD_ENSURED: usize = 512;
/// Bytes that one batch is expected to bring.
const MOST_BYTES: usize = 256 * 1024;
const MOST_WAITING: usize = 16_384;
/// How long after its deadline a reader is still believed to give its place back.
const GRACE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Queue {
    places: [ReadSlot; PLACES],
    last_ticket: u64,
    pub(super) waiting: VecDeque<Waiting>,
    /// How many hold back what comes now.
    holds: usize,
    most_held: usize,
}

/// Free with ticket zero.
#[derive(Clone, Copy, Debug, Default)]
struct ReadSlot {
    ticket: u64,
    until: Nanos,
    is_batch: bool,
}

impl ReadSlot {
    /// Whether somebody can be trusted to give it back.
    fn is_live(&self, now: Nanos) -> bool {
        self.ticket != 0 && now <= self.until
    }
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) keys: Keys,
    is_held: bool,
    expected: usize,
    deadline: Nanos,
    pub(super) answer: oneshot::Sender<Answer>,
}

impl Queue {
    pub(super) fn new(question: Question) -> Self {
        Self {
            places: Default::default(),
            last_ticket: 0,
            waiting: VecDeque::new(),
            holds: 0,
            most_held: match question {
                Question::Read => MOST_HELD,
                Question::Ensure => MOST_HELD_ENSURED,
            },
        }
    }

    pub(super) fn hold(&mut self) {
        self.holds += 1;
    }

    pub(super) fn let_go(&mut self) {
        self.holds -= 1;
    }

    pub(super) fn is_held(&self) -> bool {
        self.holds > 0
    }

    /// Whether so many are held back that some go at once.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= self.most_held
    }

    /// A place, and the batch of it, of those who wait. Where there is no place, whoever has one comes for them.
    pub(super) fn release(&mut self) -> Option<(u64, Vec<Waiting>)> {
        if self.waiting.is_empty() {
            return None;
        }
        let now = system_now();
        let ticket = self.take_place(now, now)?;
        let batch = self.next_batch(ticket)?;
        self.place(ticket)?.is_batch = true;
        Some((ticket, batch))
    }

    /// A place that is free, or whose reader should have given it back.
    pub(super) fn take_place(&mut self, now: Nanos, deadline: Nanos) -> Option<u64> {
        let place = self.places.iter_mut().find(|place| !place.is_live(now))?;
        self.last_ticket += 1;
        *place = ReadSlot {
            ticket: self.last_ticket,
            until: after(deadline, GRACE),
            is_batch: false,
        };
        Some(self.last_ticket)
    }

    fn place(&mut self, ticket: u64) -> Option<&mut ReadSlot> {
        self.places.iter_mut().find(|place| place.ticket == ticket)
    }

    pub(super) fn free(&mut self, ticket: u64) {
        if let Some(place) = self.place(ticket) {
            *place = ReadSlot::default();
        }
    }

    pub(super) fn is_idle(&self, now: Nanos) -> bool {
        !self.places.iter().any(|place| place.is_live(now))
    }

    /// Makes the place of a read that goes alone one for batches, or frees it. Gives which.
    pub(super) fn turn_to_batches(&mut self, ticket: u64) -> bool {
        let now = system_now();
        let is_batch = |place: &&ReadSlot| place.is_batch && place.is_live(now);
        let batches = self.places.iter().filter(is_batch).count();
        if self.waiting.is_empty() || batches >= MOST_BATCHES {
            self.free(ticket);
            return false;
        }
        let Some(place) = self.place(ticket) else {
            return false;
        };
        place.is_batch = true;
        true
    }

    /// What a reader gets that finds no place.
    pub(super) fn push(
        &mut self,
        keys: Keys,
        expected: usize,
        deadline: Nanos,
    ) -> Option<oneshot::Receiver<Answer>> {
        while self
            .waiting
            .front()
            .is_some_and(|first| first.answer.is_closed())
        {
            self.waiting.pop_front();
        }
        if self.waiting.len() >= MOST_WAITING {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        self.waiting.push_back(Waiting {
            keys,
            is_held: self.is_held(),
            expected,
            deadline,
            answer,
        });
        Some(answered)
    }

    /// What the holder of a place reads next. Without anything it no longer holds the place.
    pub(super) fn next_batch(&mut self, ticket: u64) -> Option<Vec<Waiting>> {
        self.place(ticket)?;
        let batch = self.take_batch();
        if batch.is_empty() {
            self.free(ticket);
            return None;
        }
        self.place(ticket)?.until = after(deadline(&batch), GRACE);
        Some(batch)
    }

    fn take_batch(&mut self) -> Vec<Waiting> {
        let mut batch = Vec::with_capacity(self.waiting.len().min(MOST_KEYS));
        let (mut keys, mut bytes) = (0_usize, 0_usize);
        while bytes < MOST_BYTES
            && let Some(next) = self.waiting.front()
            // What one reader asks for is never split.
            && (keys == 0 || keys + next.keys.len() <= self.most_beside(next))
            && let Some(next) = self.waiting.pop_front()
        {
            if !next.answer.is_closed() {
                keys += next.keys.len();
                bytes = bytes.saturating_add(next.expected);
                batch.push(next);
            }
        }
        batch
    }

    /// How many keys a batch may have together with those of this reader.
    fn most_beside(&self, reader: &Waiting) -> usize {
        if reader.is_held {
            self.most_held
        } else {
            MOST_KEYS
        }
    }

    /// Gives a place back without reading on. Those that nobody would come for are given, to be let go
    /// where the lock is not held.
    pub(super) fn abandon(&mut self, ticket: u64) -> VecDeque<Waiting> {
        let is_held = self.place(ticket).is_some();
        self.free(ticket);
        if is_held && self.is_idle(system_now()) {
            std::mem::take(&mut self.waiting)
        } else {
            VecDeque::new()
        }
    }
}

/// When nobody of a batch waits any more.
pub(super) fn deadline(batch: &[Waiting]) -> Nanos {
    let deadlines = batch.iter().map(|waiting| waiting.deadline);
    deadlines.max().unwrap_or(0)
}

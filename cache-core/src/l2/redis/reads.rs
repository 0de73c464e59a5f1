//! Reads, many of them as one: while two reads are under way, those that come are queued, and go as one
//! `MGET` when one of the two ends. There is no timer: a read that finds nothing under way goes at once.
//!
//! A place under way is lent until the reader's deadline. A reader that is not polled, or whose runtime
//! nobody drives, loses it then to the next that comes.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use redis::{Cmd, Value};
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

use super::{LARGE, fault, link::Link, writes::large_link};
use crate::{
    clock::{Nanos, after, system_now},
    l2::StoreError,
    tasks,
};

const UNDER_WAY: usize = 2;
const MOST_KEYS: usize = 64;
/// Bytes that one batch is expected to bring.
const MOST_BYTES: usize = 256 * 1024;
const MOST_WAITING: usize = 16_384;
/// How long after its deadline a reader is still believed to give its place back.
const GRACE: Duration = Duration::from_millis(50);

type Answer = Result<Option<Vec<u8>>, StoreError>;

/// The reads of one store.
#[derive(Debug)]
pub(super) struct Reads {
    data: Arc<Link>,
    bulk: Arc<Link>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    places: [Place; UNDER_WAY],
    last_ticket: u64,
    waiting: VecDeque<Waiting>,
}

/// Free with ticket zero.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    ticket: u64,
    until: Nanos,
}

#[derive(Debug)]
struct Waiting {
    key: Box<str>,
    expected: usize,
    deadline: Instant,
    answer: oneshot::Sender<Answer>,
}

impl Queue {
    /// A place that is free, or whose reader should have given it back.
    fn take_place(&mut self, now: Nanos, within: Duration) -> Option<u64> {
        let place = self
            .places
            .iter_mut()
            .find(|place| place.ticket == 0 || place.until < now)?;
        self.last_ticket += 1;
        *place = Place {
            ticket: self.last_ticket,
            until: after(now, within.saturating_add(GRACE)),
        };
        Some(self.last_ticket)
    }

    fn place(&mut self, ticket: u64) -> Option<&mut Place> {
        self.places.iter_mut().find(|place| place.ticket == ticket)
    }

    fn free(&mut self, ticket: u64) {
        if let Some(place) = self.place(ticket) {
            *place = Place::default();
        }
    }

    /// What a reader gets that finds no place.
    fn push(
        &mut self,
        key: &str,
        expected: usize,
        deadline: Instant,
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
            key: key.into(),
            expected,
            deadline,
            answer,
        });
        Some(answered)
    }

    fn next_batch(&mut self) -> Vec<Waiting> {
        let mut batch = Vec::with_capacity(self.waiting.len().min(MOST_KEYS));
        let mut bytes = 0_usize;
        while batch.len() < MOST_KEYS
            && bytes < MOST_BYTES
            && let Some(next) = self.waiting.pop_front()
        {
            if !next.answer.is_closed() {
                bytes = bytes.saturating_add(next.expected);
                batch.push(next);
            }
        }
        batch
    }
}

/// How a read goes.
enum Way {
    Alone(Turn),
    Queued(oneshot::Receiver<Answer>),
    NoRoom,
}

impl Reads {
    pub(super) fn new(data: Arc<Link>, bulk: Arc<Link>) -> Arc<Self> {
        Arc::new(Self {
            data,
            bulk,
            queue: Mutex::default(),
        })
    }

    pub(super) async fn get(
        self: &Arc<Self>,
        key: &str,
        expected: usize,
        within: Duration,
    ) -> Answer {
        let Ok(runtime) = Handle::try_current() else {
            return Err(StoreError::Unavailable);
        };
        self.data.attend(&runtime);
        if expected >= LARGE {
            let link = large_link(&self.data, &self.bulk, &runtime);
            return get_alone(link, key, within).await;
        }
        if !self.data.is_up() {
            return Err(StoreError::Unavailable);
        }
        match self.enter(key, expected, within, runtime) {
            Way::Alone(turn) => {
                let answer = get_alone(&self.data, key, within).await;
                drop(turn);
                answer
            }
            Way::Queued(answered) => match timeout(within, answered).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(StoreError::Unavailable),
                Err(_) => Err(StoreError::Late),
            },
            Way::NoRoom => Err(StoreError::Unavailable),
        }
    }

    fn enter(
        self: &Arc<Self>,
        key: &str,
        expected: usize,
        within: Duration,
        runtime: Handle,
    ) -> Way {
        let mut queue = self.queue.lock();
        let ticket = queue.take_place(system_now(), within);
        let turn = |ticket| Turn {
            reads: Arc::clone(self),
            ticket,
            runtime,
        };
        if queue.waiting.is_empty()
            && let Some(ticket) = ticket
        {
            drop(queue);
            return Way::Alone(turn(ticket));
        }
        let deadline = Instant::now().checked_add(within).unwrap_or_else(far_off);
        let way = queue.push(key, expected, deadline);
        drop(queue);
        // Nobody is left who would come for those in the queue: this turn ends at once, for a batch.
        drop(ticket.map(turn));
        way.map_or(Way::NoRoom, Way::Queued)
    }
}

fn far_off() -> Instant {
    Instant::now() + Duration::from_hours(1)
}

async fn get_alone(link: &Link, key: &str, within: Duration) -> Answer {
    let live = link.live().ok_or(StoreError::Unavailable)?;
    let mut command = Cmd::with_capacity(2, "GET".len() + key.len());
    command.arg("GET").arg(key);
    read(link.ask(&live, &command, within).await?)
}

fn read(value: Value) -> Answer {
    match value {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::Nil => Ok(None),
        _ => Err(fault::odd_reply()),
    }
}

/// The place of a read that goes alone. Whenever it ends, by an answer or because its caller was
/// dropped, it goes to those in the queue.
struct Turn {
    reads: Arc<Reads>,
    ticket: u64,
    runtime: Handle,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queue = self.reads.queue.lock();
        if queue.waiting.is_empty() {
            queue.free(self.ticket);
            return;
        }
        let is_ours = queue.place(self.ticket).is_some();
        drop(queue);
        if is_ours {
            let batches = Batches {
                reads: Arc::clone(&self.reads),
                ticket: self.ticket,
            };
            tasks::spawn(&self.runtime, batches.run());
        }
    }
}

/// The place of what reads for those in the queue, one batch after the other until nobody waits.
struct Batches {
    reads: Arc<Reads>,
    ticket: u64,
}

impl Batches {
    async fn run(self) {
        while let Some(batch) = self.next() {
            answer(&self.reads.data, batch).await;
        }
    }

    fn next(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.reads.queue.lock();
        queue.place(self.ticket)?;
        let batch = queue.next_batch();
        if batch.is_empty() {
            queue.free(self.ticket);
            return None;
        }
        let within = deadline(&batch).saturating_duration_since(Instant::now());
        let until = after(system_now(), within.saturating_add(GRACE));
        queue.place(self.ticket)?.until = until;
        Some(batch)
    }
}

impl Drop for Batches {
    /// With a place still held the task is dropped, with its runtime. Those in the queue are not handed
    /// to the next task: it may meet the same end.
    fn drop(&mut self) {
        let mut queue = self.reads.queue.lock();
        if queue.place(self.ticket).is_none() {
            return;
        }
        queue.free(self.ticket);
        let is_last = queue.places.iter().all(|place| place.ticket == 0);
        let left = is_last.then(|| std::mem::take(&mut queue.waiting));
        drop(queue);
        drop(left);
    }
}

/// When nobody of a batch waits any more.
fn deadline(batch: &[Waiting]) -> Instant {
    let last = batch.iter().map(|waiting| waiting.deadline).max();
    last.unwrap_or_else(Instant::now)
}

/// Reads a batch, and gives everybody in it an answer.
async fn answer(link: &Link, batch: Vec<Waiting>) {
    let within = deadline(&batch).saturating_duration_since(Instant::now());
    if let [single] = batch.as_slice() {
        let answer = get_alone(link, &single.key, within).await;
        return send(batch, [answer]);
    }
    match get_many(link, &batch, within).await {
        Ok(values) => send(batch, values.into_iter().map(read)),
        Err(error) => send(batch, std::iter::repeat_with(|| Err(error.clone()))),
    }
}

async fn get_many(
    link: &Link,
    batch: &[Waiting],
    within: Duration,
) -> Result<Vec<Value>, StoreError> {
    let live = link.live().ok_or(StoreError::Unavailable)?;
    let bytes = batch.iter().map(|waiting| waiting.key.len()).sum::<usize>();
    let mut command = Cmd::with_capacity(1 + batch.len(), "MGET".len() + bytes);
    command.arg("MGET");
    for waiting in batch {
        command.arg(&*waiting.key);
    }
    match link.ask(&live, &command, within).await? {
        Value::Array(values) if values.len() == batch.len() => Ok(values),
        _ => Err(fault::odd_reply()),
    }
}

fn send(batch: Vec<Waiting>, answers: impl IntoIterator<Item = Answer>) {
    for (waiting, answer) in batch.into_iter().zip(answers) {
        // Whoever asked may be gone.
        let _ = waiting.answer.send(answer);
    }
}

//! Reads, many of them as one: a few go alone, at once; while those are under way the others are
//! queued, and go as one `MGET` when one of them ends. There is no timer.
//!
//! A place under way is lent until the reader's deadline. A reader that is not polled, or whose runtime
//! nobody drives, loses it then to the next that comes.

mod queue;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use redis::{Cmd, Value};
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

#[cfg(test)]
pub(super) use queue::PLACES;
use queue::{Queue, Waiting, deadline};

use super::{LARGE, fault, link::Link, writes::large_link};
use crate::{
    clock::{Nanos, after, system_now},
    l2::StoreError,
    tasks,
};

pub(super) type Answer = Result<Option<Vec<u8>>, StoreError>;

/// The reads of one store.
#[derive(Debug)]
pub(super) struct Reads {
    data: Arc<Link>,
    bulk: Arc<Link>,
    queue: Mutex<Queue>,
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
        let now = system_now();
        self.data.attend(&runtime, now);
        if expected >= LARGE {
            let link = large_link(&self.data, &self.bulk, &runtime, now);
            return Box::pin(get_alone(link, key, within)).await;
        }
        match self.enter(key, expected, (now, after(now, within)), runtime) {
            Way::Alone(turn) => {
                // In a box of its own, so that those in the queue do not carry the room for it.
                let answer = Box::pin(get_alone(&self.data, key, within)).await;
                drop(turn);
                answer
            }
            Way::Queued(answered) => match timeout(within, answered).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(StoreError::Unavailable),
                Err(_) => Err(StoreError::Late),
            },
            Way::NoRoom => Err(StoreError::Busy),
        }
    }

    fn enter(
        self: &Arc<Self>,
        key: &str,
        expected: usize,
        (now, deadline): (Nanos, Nanos),
        runtime: Handle,
    ) -> Way {
        let turn = |ticket| Turn {
            reads: Arc::clone(self),
            ticket,
            runtime,
        };
        let mut queue = self.queue.lock();
        if queue.waiting.is_empty()
            && let Some(ticket) = queue.take_place(now, deadline)
        {
            drop(queue);
            return Way::Alone(turn(ticket));
        }
        let way = queue.push(key, expected, deadline);
        if queue.is_idle(now)
            && let Some(ticket) = queue.take_place(now, deadline)
        {
            drop(queue);
            // Nobody would come for those in the queue: this turn ends at once, for a batch.
            drop(turn(ticket));
        }
        way.map_or(Way::NoRoom, Way::Queued)
    }
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
        if self.reads.queue.lock().turn_to_batches(self.ticket) {
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
        self.reads.queue.lock().next_batch(self.ticket)
    }
}

impl Drop for Batches {
    /// With the place still held, the task is dropped, with its runtime. Those in the queue are not
    /// handed to another task of the kind: it may meet the same end.
    fn drop(&mut self) {
        let left = self.reads.queue.lock().abandon(self.ticket);
        drop(left);
    }
}

/// Reads a batch, and gives everybody in it an answer.
async fn answer(link: &Link, batch: Vec<Waiting>) {
    let within = Duration::from_nanos(deadline(&batch).saturating_sub(system_now()));
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

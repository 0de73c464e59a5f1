//! Reads, many of them as one: a few go alone, at once; while those are under way the others are
//! queued, and go as one `MGET` when one of them ends. There is no timer. What somebody holds back who has
//! many to come goes when that is let go.
//!
//! A place under way is lent until the reader's deadline. A reader that is not polled, or whose runtime
//! nobody drives, loses it then to the next that comes.

mod keys;
mod queue;
mod slots;

use std::{sync::Arc, time::Duration};

pub(super) use keys::Keys;
use redis::{Cmd, Value};
use smallvec::SmallVec;
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

#[cfg(test)]
pub(super) use queue::PLACES;
use queue::{Queue, Waiting, deadline};

use super::{
    LARGE, fault,
    link::{Link, Stamped},
    tags,
    writes::large_link,
};
use crate::{
    clock::{Nanos, after, system_now},
    l2::{Lineage, StoreError, TAG_LIFE},
    lock::Mutex,
    tasks,
};

pub(super) type Answer = Result<Found, StoreError>;

/// What is under some keys, read at one moment.
#[derive(Debug)]
pub(super) struct Found {
    /// In the order of the keys; nil where there is nothing.
    pub(super) values: SmallVec<[Value; 1]>,
    pub(super) lineage: Lineage,
    pub(super) sent: Nanos,
}

/// What is asked of keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// What is under them.
    Read,
    /// The versions of tags, which those have from then on that had none.
    Ensure,
}

/// The questions of one kind to one store.
#[derive(Debug)]
pub(super) struct Reads {
    data: Arc<Link>,
    bulk: Arc<Link>,
    question: Question,
    queue: Mutex<Queue>,
}

/// How a read goes.
enum Way {
    Alone(Turn, Keys),
    Queued(oneshot::Receiver<Answer>),
    NoRoom,
}

impl Reads {
    pub(super) fn new(data: &Arc<Link>, bulk: &Arc<Link>, question: Question) -> Arc<Self> {
        Arc::new(Self {
            data: Arc::clone(data),
            bulk: Arc::clone(bulk),
            question,
            queue: Mutex::new(Queue::new(question)),
        })
    }

    /// Holds back what is read from here on until it is dropped: it goes together then. Nothing outside a runtime.
    pub(super) fn hold_back(self: &Arc<Self>) -> Option<HeldBack> {
        let runtime = Handle::try_current().ok()?;
        self.queue.lock().hold();
        Some(HeldBack {
            reads: Arc::clone(self),
            runtime,
        })
    }

    pub(super) async fn read(
        self: &Arc<Self>,
        keys: Keys,
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
            return Box::pin(read_alone(link, &keys, within)).await;
        }
        match self.enter(keys, expected, (now, after(now, within)), runtime) {
            Way::Alone(turn, keys) => {
                // In a box of its own, so that those in the queue do not carry the room for it.
                let answer = Box::pin(self.ask(&[&keys], within)).await;
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
        keys: Keys,
        expected: usize,
        (now, deadline): (Nanos, Nanos),
        runtime: Handle,
    ) -> Way {
        let mut queue = self.queue.lock();
        if queue.is_held() {
            let way = queue.push(keys, expected, deadline);
            let is_full = queue.is_full();
            drop(queue);
            if is_full {
                self.release(&runtime);
            }
            return way.map_or(Way::NoRoom, Way::Queued);
        }
        let turn = |ticket| Turn {
            reads: Arc::clone(self),
            ticket,
            runtime,
        };
        if queue.waiting.is_empty()
            && let Some(ticket) = queue.take_place(now, deadline)
        {
            drop(queue);
            return Way::Alone(turn(ticket), keys);
        }
        let way = queue.push(keys, expected, deadline);
        if queue.is_idle(now)
            && let Some(ticket) = queue.take_place(now, deadline)
        {
            drop(queue);
            // Nobody would come for those in the queue: this turn ends at once, for a batch.
            drop(turn(ticket));
        }
        way.map_or(Way::NoRoom, Way::Queued)
    }

    /// Has those who wait be read for, in as many batches at once as there are places for.
    fn release(self: &Arc<Self>, runtime: &Handle) {
        loop {
            let released = self.queue.lock().release();
            let Some((ticket, batch)) = released else {
                return;
            };
            self.read_on(ticket, runtime, Some(batch));
        }
    }

    /// Has those who wait be read for in this place, a batch first that was taken already.
    fn read_on(self: &Arc<Self>, ticket: u64, runtime: &Handle, first: Option<Vec<Waiting>>) {
        let batches = Batches {
            reads: Arc::clone(self),
            ticket,
        };
        tasks::spawn(runtime, batches.run(first));
    }

    async fn ask(&self, keys: &[&Keys], within: Duration) -> Answer {
        match (self.question, keys) {
            (Question::Ensure, keys) if self.data.address.cluster().is_some() => {
                slots::ensure(&self.data, keys, within).await
            }
            (Question::Ensure, keys) => {
                let keys: Vec<&str> = keys.iter().flat_map(|keys| keys.iter()).collect();
                tags::ensure_now(&self.data, &keys, TAG_LIFE, within).await
            }
            (Question::Read, [keys]) => read_alone(&self.data, keys, within).await,
            (Question::Read, keys) => read_all(&self.data, keys, within).await,
        }
    }
}

/// Reads that are held back, until it is dropped.
pub(super) struct HeldBack {
    reads: Arc<Reads>,
    runtime: Handle,
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        self.reads.queue.lock().let_go();
        // Whoever else holds back: nobody waits for two.
        self.reads.release(&self.runtime);
    }
}

async fn read_alone(link: &Link, keys: &Keys, within: Duration) -> Answer {
    if keys.len() != 1 || link.address.cluster().is_some() {
        return read_all(link, &[keys], within).await;
    }
    let live = link.live().ok_or(StoreError::Unavailable)?;
    let answer = link.ask(&live, &command("GET", &[keys]), within).await?;
    Ok(Found {
        values: SmallVec::from_buf([answer.value]),
        lineage: answer.lineage,
        sent: answer.sent,
    })
}

async fn read_all(link: &Link, keys: &[&Keys], within: Duration) -> Answer {
    if link.address.cluster().is_some() {
        return slots::read(link, keys, within).await;
    }
    let live = link.live().ok_or(StoreError::Unavailable)?;
    let count = keys.iter().map(|keys| keys.len()).sum::<usize>();
    let answer = link.ask(&live, &command("MGET", keys), within).await?;
    let Stamped {
        value: Value::Array(values),
        lineage,
        sent,
    } = answer
    else {
        return Err(fault::odd_reply());
    };
    if values.len() != count {
        return Err(fault::odd_reply());
    }
    Ok(Found {
        values: values.into(),
        lineage,
        sent,
    })
}

fn command(name: &str, keys: &[&Keys]) -> Cmd {
    let count = keys.iter().map(|keys| keys.len()).sum::<usize>();
    let bytes = keys.iter().map(|keys| keys.bytes()).sum::<usize>();
    let mut command = Cmd::with_capacity(1 + count, name.len() + bytes);
    command.arg(name);
    for key in keys.iter().flat_map(|keys| keys.iter()) {
        command.arg(key);
    }
    command
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
            self.reads.read_on(self.ticket, &self.runtime, None);
        }
    }
}

/// The place of what reads for those in the queue, one batch after the other until nobody waits.
struct Batches {
    reads: Arc<Reads>,
    ticket: u64,
}

impl Batches {
    async fn run(self, first: Option<Vec<Waiting>>) {
        let mut next = first.or_else(|| self.next());
        while let Some(batch) = next {
            answer(&self.reads, batch).await;
            next = self.next();
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
async fn answer(reads: &Reads, batch: Vec<Waiting>) {
    let within = Duration::from_nanos(deadline(&batch).saturating_sub(system_now()));
    let keys: SmallVec<[&Keys; 16]> = batch.iter().map(|waiting| &waiting.keys).collect();
    let answer = reads.ask(&keys, within).await;
    drop(keys);
    let Found {
        values,
        lineage,
        sent,
    } = match answer {
        Ok(found) => found,
        Err(error) => {
            for waiting in batch {
                // Whoever asked may be gone.
                let _ = waiting.answer.send(Err(error.clone()));
            }
            return;
        }
    };
    let mut values = values.into_iter();
    for waiting in batch {
        let share = Found {
            values: values.by_ref().take(waiting.keys.len()).collect(),
            lineage,
            sent,
        };
        let _ = waiting.answer.send(Ok(share));
    }
}

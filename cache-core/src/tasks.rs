//! The tasks of a cache: where they begin, and how many of them are loads, which closing waits for.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify, task::JoinHandle};

use crate::{
    clock::{Nanos, before, system_now},
    lock::Mutex,
    watchdog,
};

/// For so long a load in the background takes a place: those that hang do not keep all others from it for good.
const COUNTS_FOR: Duration = Duration::from_mins(1);

/// Begins a task. All tasks of a cache begin here, but those that ask sentinels.
pub(crate) fn spawn<F>(runtime: &Handle, task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    runtime.spawn(task)
}

/// The loads of one cache that run in tasks of their own.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: AtomicUsize,
    background: Mutex<Places>,
    ended: Notify,
}

/// The loads that nobody waits for, by number, and since when.
#[derive(Debug, Default)]
struct Places {
    last: u64,
    since: BTreeMap<u64, Nanos>,
}

impl Places {
    fn taken(&mut self, now: Nanos) -> usize {
        let oldest = before(now, COUNTS_FOR);
        while let Some(first) = self.since.first_entry()
            && *first.get() < oldest
        {
            first.remove();
        }
        self.since.len()
    }

    fn take(&mut self, now: Nanos) -> u64 {
        self.last += 1;
        self.since.insert(self.last, now);
        self.last
    }
}

impl Tasks {
    pub(crate) fn enter(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::AcqRel);
        Running(Arc::clone(self))
    }

    /// Counts in a load that nobody waits for; nothing where `most` of them run.
    pub(crate) fn enter_background(self: &Arc<Self>, most: usize) -> Option<Background> {
        let (mut places, now) = (self.background.lock(), system_now());
        let is_free = places.taken(now) < most;
        is_free.then(|| Background(Arc::clone(self), places.take(now)))
    }

    /// The same, however many run.
    fn enter_abandoned(self: &Arc<Self>) -> Background {
        let place = self.background.lock().take(system_now());
        Background(Arc::clone(self), place)
    }

    /// Whether one more may run that nobody waits for.
    pub(crate) fn has_background(&self, most: usize) -> bool {
        self.background.lock().taken(system_now()) < most
    }

    /// Counts in a load that runs already, however many there are, once its caller has gone; of which it hears where `most`
    /// run.
    pub(crate) fn unless_abandoned(self: &Arc<Self>, most: usize) -> (Waiting, Awaited) {
        let shared = Arc::default();
        let waiting = Waiting {
            tasks: Arc::clone(self),
            most,
            shared: Arc::clone(&shared),
        };
        (waiting, Awaited(shared))
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    /// Waits until no load runs.
    pub(crate) async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.running() == 0 {
                return;
            }
            ended.await;
        }
    }
}

/// One running load, while it runs.
pub(crate) struct Running(Arc<Tasks>);

/// A load that nobody waits for, while it runs or is queued.
pub(crate) struct Background(Arc<Tasks>, u64);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.background.lock().since.remove(&self.1);
    }
}

/// What a caller and the load that it waits for have in common.
enum Bond {
    Waits {
        load: Option<Waker>,
    },
    Abandoned {
        _background: Background,
        /// As many as may run in the background did already.
        has_no_room: bool,
    },
    Ended,
}

impl Default for Bond {
    fn default() -> Self {
        Self::Waits { load: None }
    }
}

/// A caller, while it waits for a load.
pub(crate) struct Waiting {
    tasks: Arc<Tasks>,
    most: usize,
    shared: Arc<Mutex<Bond>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut bond = self.shared.lock();
        let Bond::Waits { load } = &mut *bond else {
            return;
        };
        let load = load.take();
        let has_no_room = !self.tasks.has_background(self.most);
        *bond = Bond::Abandoned {
            _background: self.tasks.enter_abandoned(),
            has_no_room,
        };
        // A waker may drop a whole task: never under the lock.
        drop(bond);
        watchdog::wake(load.into_iter().collect());
    }
}

/// A load that a caller waits for, while it runs.
pub(crate) struct Awaited(Arc<Mutex<Bond>>);

impl Awaited {
    /// Whether its caller still does.
    pub(crate) fn is_waited_for(&self) -> bool {
        matches!(*self.0.lock(), Bond::Waits { .. })
    }

    /// Whether its caller has gone, and there was no room for it in the background.
    pub(crate) fn has_no_room(&self) -> bool {
        matches!(
            *self.0.lock(),
            Bond::Abandoned {
                has_no_room: true,
                ..
            }
        )
    }

    /// Wakes this task when its caller goes.
    pub(crate) fn listen(&self, waker: &Waker) {
        let mut bond = self.0.lock();
        let before = match &mut *bond {
            Bond::Waits { load } => load.replace(waker.clone()),
            Bond::Abandoned { .. } | Bond::Ended => None,
        };
        drop(bond);
        drop(before);
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut *self.0.lock(), Bond::Ended);
        // A waker may drop a whole task: never under the lock.
        drop(before);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_in_the_background_takes_a_place_for_a_minute() {
        const SECOND: Nanos = 1_000_000_000;
        let mut places = Places::default();
        let (hangs, ends) = (places.take(100 * SECOND), places.take(130 * SECOND));
        assert_ne!(hangs, ends);
        assert_eq!(places.taken(159 * SECOND), 2);
        assert_eq!(places.taken(161 * SECOND), 1);
        places.since.remove(&ends);
        assert_eq!(places.taken(161 * SECOND), 0);
    }
}

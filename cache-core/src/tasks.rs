//! The tasks of a cache: where they begin, and how many of them are loads, which closing waits for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{runtime::Handle, sync::Notify, task::JoinHandle};

use crate::lock::Mutex;

/// Begins a task. All tasks of a cache begin here.
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
    background: AtomicUsize,
    ended: Notify,
}

impl Tasks {
    pub(crate) fn enter(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::AcqRel);
        Running(Arc::clone(self))
    }

    /// Counts in a load that nobody waits for; nothing where `most` of them run.
    pub(crate) fn enter_background(self: &Arc<Self>, most: usize) -> Option<Background> {
        let free = |running| (running < most).then_some(running + 1);
        let entered = self
            .background
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, free);
        entered.ok().map(|_| Background(Arc::clone(self)))
    }

    /// Whether one more may run that nobody waits for.
    pub(crate) fn has_background(&self, most: usize) -> bool {
        self.background.load(Ordering::Acquire) < most
    }

    /// Counts in a load that runs already, however many there are, once its caller has gone.
    pub(crate) fn unless_abandoned(self: &Arc<Self>) -> (Waiting, Awaited) {
        let shared = Arc::default();
        let waiting = Waiting {
            tasks: Arc::clone(self),
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
pub(crate) struct Background(Arc<Tasks>);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.background.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a caller and the load that it waits for have in common.
#[derive(Default)]
enum Bond {
    #[default]
    Waits,
    Abandoned {
        _background: Background,
    },
    Ended,
}

/// A caller, while it waits for a load.
pub(crate) struct Waiting {
    tasks: Arc<Tasks>,
    shared: Arc<Mutex<Bond>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut bond = self.shared.lock();
        if let Bond::Waits = *bond {
            self.tasks.background.fetch_add(1, Ordering::AcqRel);
            *bond = Bond::Abandoned {
                _background: Background(Arc::clone(&self.tasks)),
            };
        }
    }
}

/// A load that a caller waits for, while it runs.
pub(crate) struct Awaited(Arc<Mutex<Bond>>);

impl Awaited {
    /// Whether its caller still does.
    pub(crate) fn is_waited_for(&self) -> bool {
        matches!(*self.0.lock(), Bond::Waits)
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        *self.0.lock() = Bond::Ended;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

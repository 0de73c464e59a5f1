//! The tasks of a cache: where they begin, and how many of them are loads, which closing waits for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{runtime::Handle, sync::Notify, task::JoinHandle};

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
        entered.ok().map(|_| Background(self.enter()))
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

/// A running load that nobody waits for, while it runs.
pub(crate) struct Background(Running);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.0.background.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

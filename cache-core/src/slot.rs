//! How many loads of one function run at once, and what becomes of the slot of a load that waits for
//! another load or is no longer polled.
//!
//! A load that waits for another load lends its slot, so every slot belongs to a load that can go
//! on: loads that call each other cannot block each other here, however few the slots.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Wake, Waker},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::{Nanos, after, system_now};

/// Woken for this long and not polled: whoever holds the future does not mean to go on with it.
const STUCK_AFTER: Duration = Duration::from_millis(50);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The slots of one function.
#[derive(Debug)]
pub(crate) struct Slots {
    semaphore: Arc<Semaphore>,
    limit: usize,
    /// Loads in the task of a caller, which may stop polling them.
    inline: Mutex<Vec<Weak<Slot>>>,
}

impl Slots {
    pub(crate) fn new(limit: usize) -> Self {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            semaphore: Arc::new(Semaphore::new(limit)),
            limit,
            inline: Mutex::default(),
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Takes a slot if one is free and nobody waits for it.
    pub(crate) fn try_take(&self, slot: &Arc<Slot>) -> bool {
        let permit = Arc::clone(&self.semaphore).try_acquire_owned();
        permit.map(|permit| self.give(slot, permit)).is_ok()
    }

    /// Waits for a slot, in the order of the callers.
    pub(crate) async fn take(&self, slot: &Arc<Slot>) {
        let permit = Arc::clone(&self.semaphore).acquire_owned().await;
        self.give(slot, permit.expect("the semaphore is never closed"));
    }

    fn give(&self, slot: &Arc<Slot>, permit: OwnedSemaphorePermit) {
        *lock(&slot.permit) = Some(permit);
        if slot.pulse.is_some() {
            let mut inline = lock(&self.inline);
            if inline.len() >= self.limit.saturating_mul(2) {
                inline.retain(|slot| slot.strong_count() > 0);
            }
            inline.push(Arc::downgrade(slot));
        }
    }

    /// Whether a load that is no longer polled holds a slot.
    pub(crate) fn has_stuck(&self, now: Nanos) -> bool {
        lock(&self.inline)
            .iter()
            .any(|slot| slot.upgrade().is_some_and(|slot| slot.is_stuck(now)))
    }

    /// Frees the slots of loads that are no longer polled.
    pub(crate) fn free_stuck(&self, now: Nanos) {
        let mut freed = Vec::new();
        lock(&self.inline).retain(|slot| {
            let Some(slot) = slot.upgrade() else {
                return false;
            };
            let is_stuck = slot.is_stuck(now);
            if is_stuck {
                freed.push(slot);
            }
            !is_stuck
        });
        for slot in freed {
            slot.free();
        }
    }
}

/// The claim of one load to a slot.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    /// Calls inside the load that wait for other loads.
    lent: AtomicUsize,
    pulse: Option<Pulse>,
}

/// Whether an inline load is polled when it is woken.
#[derive(Debug)]
struct Pulse {
    /// When the load was woken and not polled since; zero while there is nothing to do.
    woken: AtomicU64,
    waker: Mutex<Waker>,
}

impl Slot {
    /// The slot of a load in a task of its own.
    pub(crate) fn detached() -> Arc<Self> {
        Arc::default()
    }

    /// The slot of a load that is polled by its caller.
    pub(crate) fn inline() -> Arc<Self> {
        Arc::new(Self {
            pulse: Some(Pulse {
                woken: AtomicU64::new(0),
                waker: Mutex::new(Waker::noop().clone()),
            }),
            ..Self::default()
        })
    }

    pub(crate) fn is_inline(&self) -> bool {
        self.pulse.is_some()
    }

    /// Gives the slot back for good.
    pub(crate) fn free(&self) {
        drop(lock(&self.permit).take());
    }

    /// Notes that the load is polled now; gives the waker that it is to be polled with.
    pub(crate) fn beat(self: &Arc<Self>, waker: &Waker) -> Waker {
        let Some(pulse) = &self.pulse else {
            return waker.clone();
        };
        pulse.woken.store(0, Relaxed);
        let mut known = lock(&pulse.waker);
        if !known.will_wake(waker) {
            known.clone_from(waker);
        }
        drop(known);
        Waker::from(Arc::clone(self))
    }

    pub(crate) fn is_stuck(&self, now: Nanos) -> bool {
        self.pulse.as_ref().is_some_and(|pulse| {
            let woken = pulse.woken.load(Relaxed);
            woken != 0 && now >= after(woken, STUCK_AFTER)
        })
    }

    /// Lends the slot while a call inside the load waits for another load.
    pub(crate) fn lend(self: &Arc<Self>) -> Lent {
        if self.lent.fetch_add(1, Relaxed) == 0 {
            self.free();
        }
        Lent(Arc::clone(self))
    }
}

impl Wake for Slot {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(pulse) = &self.pulse {
            let _ = pulse
                .woken
                .compare_exchange(0, system_now(), Relaxed, Relaxed);
            let waker = lock(&pulse.waker).clone();
            waker.wake();
        }
    }
}

/// A slot that is lent. Dropped without [`take_back`](Self::take_back), the load goes on without one.
#[derive(Debug)]
pub(crate) struct Lent(Arc<Slot>);

impl Lent {
    /// Waits for a slot again, when this was the last call of the load that waited.
    pub(crate) async fn take_back(self, slots: &Slots) {
        if self.0.lent.load(Relaxed) == 1 && !slots.try_take(&self.0) {
            slots.take(&self.0).await;
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.lent.fetch_sub(1, Relaxed);
    }
}

//! How many loads of one function run at once, and what becomes of the slot of a load that is no
//! longer polled.
//!
//! A slot is taken by the load that is polled for it, never handed to one that sleeps: a caller left
//! behind in the queue holds up nobody.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use crate::{
    clock::{Nanos, after, system_now},
    coherence::{mutant, mutant::Mutant},
    lock::Mutex,
    watchdog::{self, Next, Patience, Sleepers, Watched},
};

/// Woken for this long and not polled, a load in its caller's task is gone: whoever holds the future
/// does not mean to go on with it.
const INLINE_IS_GONE_AFTER: Nanos = 50_000_000;

/// The same for a load in a task of its own: its runtime is not driven any more. Rare, and a runtime
/// that is only busy must not be taken for it.
const DETACHED_IS_GONE_AFTER: Nanos = 1_000_000_000;

fn gone_after(is_detached: bool) -> Nanos {
    if is_detached {
        DETACHED_IS_GONE_AFTER
    } else {
        INLINE_IS_GONE_AFTER
    }
}

/// The slots of one function.
#[derive(Debug)]
pub(crate) struct Slots {
    limit: usize,
    taken: Mutex<SlotsState>,
    is_watched: AtomicBool,
}

#[derive(Debug, Default)]
struct SlotsState {
    /// Few: a vector.
    holders: Vec<Arc<Slot>>,
    queue: Sleepers,
    /// Somebody was woken to take a slot, and has not come yet.
    is_offered: bool,
}

impl Slots {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            taken: Mutex::default(),
            is_watched: AtomicBool::new(false),
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The loads that hold the slots; nothing while one is free.
    pub(crate) fn holders(&self) -> Option<Vec<u64>> {
        let taken = self.taken.lock();
        let is_full = taken.holders.len() >= self.limit;
        is_full.then(|| taken.holders.iter().map(|slot| slot.id).collect())
    }

    /// Takes a slot if one is free and nobody waits for it.
    pub(crate) fn try_take(&self, slot: &Arc<Slot>) -> bool {
        let mut taken = self.taken.lock();
        let is_free = taken.queue.is_empty() && taken.holders.len() < self.limit;
        if is_free {
            taken.holders.push(Arc::clone(slot));
        }
        is_free
    }

    /// Waits for a slot, first come first served.
    pub(crate) fn poll_take(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        patience: &mut Patience,
        cx: &Context<'_>,
    ) -> Poll<()> {
        let mut taken = self.taken.lock();
        let mut gone = Vec::new();
        if taken.holders.len() >= self.limit {
            match patience.next(taken.queue.has(slot.id)) {
                Next::Sleep => {}
                Next::Yield => {
                    drop(taken);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Next::Act => gone = taken.stop_gone(system_now()),
            }
        }
        let is_free = taken.holders.len() < self.limit;
        if !is_free && mutant::is(Mutant::S3) {
            drop(taken);
            taken = self.taken.lock();
        }
        // A waker may drop a whole task: never under the lock.
        let (polled, waker) = if is_free {
            taken.is_offered = false;
            taken.holders.push(Arc::clone(slot));
            (Poll::Ready(()), taken.queue.remove(slot.id))
        } else {
            patience.sleep();
            (
                Poll::Pending,
                taken.queue.insert(slot.id, cx.waker().clone()),
            )
        };
        drop(taken);
        drop((gone, waker));
        if polled.is_pending() && !self.is_watched.swap(true, Relaxed) {
            let slots: Arc<dyn Watched> = Arc::clone(self) as _;
            watchdog::watch(&slots);
        }
        polled
    }

    /// Gives a slot back, or a place in the queue.
    pub(crate) fn free(&self, slot: &Arc<Slot>) {
        let mut taken = self.taken.lock();
        let waker = taken.queue.remove(slot.id);
        let place = taken.holders.iter().position(|holder| holder.id == slot.id);
        let holder = place.map(|place| taken.holders.swap_remove(place));
        let next = if taken.holders.len() < self.limit {
            taken.queue.pop_first()
        } else {
            None
        };
        taken.is_offered |= next.is_some();
        drop(taken);
        drop((holder, waker));
        watchdog::wake(next.into_iter().collect());
    }
}

impl SlotsState {
    fn stop_gone(&mut self, now: Nanos) -> Vec<Arc<Slot>> {
        self.holders
            .extract_if(.., |slot| slot.is_gone(now))
            .collect()
    }
}

impl Watched for Slots {
    fn check(&self, now: Nanos) -> bool {
        let mut taken = self.taken.lock();
        if taken.queue.is_empty() {
            self.is_watched.store(false, Relaxed);
            return false;
        }
        let has_room =
            taken.holders.len() < self.limit || taken.holders.iter().any(|slot| slot.is_gone(now));
        let is_late = taken.is_offered;
        let woken = watchdog::wakers(&mut taken.queue, has_room, is_late);
        taken.is_offered = has_room;
        drop(taken);
        watchdog::wake(woken);
        true
    }
}

/// One load as seen from outside: whether it is polled when it is woken.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Unique in the process, in the order in which loads began to want a slot.
    id: u64,
    /// It began in a task of its own.
    is_detached: bool,
    /// In nanoseconds.
    gone_after: AtomicU64,
    /// When the load was woken and not polled since; zero while there is nothing to do.
    woken: AtomicU64,
    is_polled: AtomicBool,
    waker: Mutex<Waker>,
}

impl Slot {
    pub(crate) fn new(is_detached: bool) -> Arc<Self> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            is_detached,
            gone_after: AtomicU64::new(gone_after(is_detached)),
            // It is about to be polled for the first time.
            woken: AtomicU64::new(system_now()),
            is_polled: AtomicBool::new(false),
            waker: Mutex::new(Waker::noop().clone()),
        })
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The load waits for something else first, for no longer than `within`, and is not watched meanwhile.
    pub(crate) fn pause(&self, within: Duration) {
        let late = after(INLINE_IS_GONE_AFTER, within);
        self.gone_after.store(late, Relaxed);
        self.woken.store(system_now(), Relaxed);
    }

    /// What the load waited for is over, and it goes on where it began.
    pub(crate) fn go_on(&self) {
        self.resume(self.is_detached);
    }

    /// The load is about to be polled for the first time.
    pub(crate) fn resume(&self, is_detached: bool) {
        self.gone_after.store(gone_after(is_detached), Relaxed);
        self.woken.store(system_now(), Relaxed);
    }

    /// Polls the load, and notes when.
    pub(crate) fn poll<R>(
        self: &Arc<Self>,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> R,
    ) -> R {
        self.is_polled.store(true, Relaxed);
        self.woken.store(0, Relaxed);
        let mut known = self.waker.lock();
        let before = (!known.will_wake(cx.waker()))
            .then(|| std::mem::replace(&mut *known, cx.waker().clone()));
        drop(known);
        drop(before);
        let _polled = Polled(self);
        poll(&mut Context::from_waker(&Waker::from(Arc::clone(self))))
    }

    pub(crate) fn is_gone(&self, now: Nanos) -> bool {
        let woken = self.woken.load(Relaxed);
        woken != 0
            && !self.is_polled.load(Relaxed)
            && now >= woken.saturating_add(self.gone_after.load(Relaxed))
    }
}

/// A poll, until it is over, also by a panic. A wake during it counts from its end: it may be long.
struct Polled<'a>(&'a Slot);

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        let Self(slot) = self;
        if slot.woken.load(Relaxed) != 0 {
            slot.woken.store(system_now(), Relaxed);
        }
        slot.is_polled.store(false, Relaxed);
    }
}

impl Wake for Slot {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let _ = self
            .woken
            .compare_exchange(0, system_now(), Relaxed, Relaxed);
        let waker = self.waker.lock().clone();
        waker.wake();
    }
}

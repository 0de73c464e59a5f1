//! Finds loads that nobody polls while others wait for them: a future left behind in a `select!`, a
//! runtime that is not driven.
//!
//! One thread for the process, asleep while no call waits, so that it depends on no runtime: the
//! runtime may be just what is stuck. Being late is not proof, because a busy runtime polls nobody. So
//! the thread only wakes somebody who waits, and that one decides when it is polled. What has to happen at some time
//! on a runtime without timers, or on none, happens here as well.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::Waker,
    thread,
    time::Duration,
};

use crate::{
    clock::{Nanos, nanos, system_now},
    lock::{Condvar, Mutex},
};

/// How often those who wait are looked after.
const TICK: Duration = Duration::from_millis(25);

static WATCHED: Mutex<Vec<Weak<dyn Watched>>> = Mutex::new(Vec::new());
static ARRIVED: Condvar = Condvar::new();

/// Something that calls wait for, or that waits for its time.
pub(crate) trait Watched: Send + Sync {
    /// Wakes those who could go on in place of loads that are not polled, or does what is due. Gives whether anybody
    /// still waits.
    fn check(&self, now: Nanos) -> bool;
}

/// Looks after something until nobody waits for it.
pub(crate) fn watch(watched: &Arc<dyn Watched>) {
    static THREAD: OnceLock<()> = OnceLock::new();
    // Its thread knows no time but the system's.
    #[cfg(test)]
    if crate::clock::simulated::is_on() {
        return;
    }
    WATCHED.lock().push(Arc::downgrade(watched));
    ARRIVED.notify_one();
    THREAD.get_or_init(|| {
        let started = thread::Builder::new().name("cached-watchdog".into()).spawn(run);
        if let Err(error) = started {
            tracing::warn!(%error, "cannot start the watchdog's thread: a caller that stops polling a load stalls its waiters");
        }
    });
}

fn run() {
    loop {
        let mut watched = WATCHED.lock();
        while watched.is_empty() {
            watched = ARRIVED
                .wait(watched)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(watched);
        thread::sleep(TICK);
        let mut checked = std::mem::take(&mut *WATCHED.lock());
        checked.retain(is_waited_for);
        WATCHED.lock().append(&mut checked);
    }
}

/// A value that panics when it is dropped here must not end the thread.
fn is_waited_for(watched: &Weak<dyn Watched>) -> bool {
    let checked = panic::catch_unwind(AssertUnwindSafe(|| {
        watched
            .upgrade()
            .is_some_and(|watched| watched.check(system_now()))
    }));
    checked.unwrap_or(true)
}

/// For how long nobody has waited for something, and whether that is too long.
#[derive(Debug)]
pub(crate) struct Unwanted {
    /// How long it may be, in nanoseconds.
    most: AtomicU64,
    /// Since when nobody waits; zero while somebody does.
    since: AtomicU64,
    is_overdue: AtomicBool,
}

impl Default for Unwanted {
    fn default() -> Self {
        Self {
            most: AtomicU64::new(Nanos::MAX),
            since: AtomicU64::new(0),
            is_overdue: AtomicBool::new(false),
        }
    }
}

impl Unwanted {
    pub(crate) fn limit(&self, most: Duration) {
        self.most.store(nanos(most), Relaxed);
    }

    /// How long it was to be at most, where it was longer.
    pub(crate) fn overdue(&self) -> Option<Duration> {
        let most = || Duration::from_nanos(self.most.load(Relaxed));
        self.is_overdue.load(Relaxed).then(most)
    }

    /// Takes whether somebody waits `now`. Gives what is overdue by that.
    pub(crate) fn note(&self, is_wanted: bool, now: Nanos) -> Option<Duration> {
        let since = self.since.load(Relaxed);
        if is_wanted {
            self.since.store(0, Relaxed);
        } else if since == 0 {
            self.since.store(now.max(1), Relaxed);
        } else if now >= since.saturating_add(self.most.load(Relaxed)) {
            self.is_overdue.store(true, Relaxed);
        }
        self.overdue()
    }
}

/// Wakes tasks. One whose waker panics must not take along those behind it, nor the caller.
pub(crate) fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        shielded(|| waker.wake());
    }
}

/// Runs what wakes a task.
pub(crate) fn shielded(wake: impl FnOnce()) {
    if panic::catch_unwind(AssertUnwindSafe(wake)).is_err() {
        tracing::error!("a waker panicked: its task may sleep on");
    }
}

/// Wakers of those who sleep, by their tickets, of which the lowest is the first in the queue. A vector, as new
/// ones come at its end.
#[derive(Debug, Default)]
pub(crate) struct Sleepers(Vec<(u64, Waker)>);

impl Sleepers {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has(&self, ticket: u64) -> bool {
        self.place(ticket).is_ok()
    }

    /// Gives the waker that was there before.
    pub(crate) fn insert(&mut self, ticket: u64, waker: Waker) -> Option<Waker> {
        match self.place(ticket) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, waker)),
            Err(place) => {
                self.0.insert(place, (ticket, waker));
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, ticket: u64) -> Option<Waker> {
        let place = self.place(ticket).ok()?;
        Some(self.0.remove(place).1)
    }

    pub(crate) fn pop_first(&mut self) -> Option<Waker> {
        (!self.is_empty()).then(|| self.0.remove(0).1)
    }

    pub(crate) fn take(&mut self) -> Vec<Waker> {
        let sleepers = std::mem::take(&mut self.0);
        sleepers.into_iter().map(|(_, waker)| waker).collect()
    }

    fn place(&self, ticket: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&ticket, |(ticket, _)| *ticket)
    }
}

/// The wakers to wake: nobody's without room, the first one's with it, and everybody's when the first
/// did not come.
pub(crate) fn wakers(sleepers: &mut Sleepers, has_room: bool, is_late: bool) -> Vec<Waker> {
    match (has_room, is_late) {
        (false, _) => Vec::new(),
        (true, false) => sleepers.pop_first().into_iter().collect(),
        (true, true) => sleepers.take(),
    }
}

/// What a sleeper makes of being woken with nothing to show for it: somebody else may be gone.
///
/// The watchdog wakes from outside the runtime, and such a wake can overtake tasks that have waited
/// longer. So the sleeper first goes to the back of the queue once, behind a load that is only late.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    has_slept: bool,
    has_yielded: bool,
}

/// What a sleeper does next.
pub(crate) enum Next {
    Sleep,
    /// Wake itself, and look again.
    Yield,
    /// Take the place of loads that are gone.
    Act,
}

impl Patience {
    /// Called with whether the sleeper's waker is still where it left it.
    pub(crate) fn next(&mut self, is_undisturbed: bool) -> Next {
        if !self.has_slept || is_undisturbed {
            Next::Sleep
        } else if std::mem::replace(&mut self.has_yielded, true) {
            Next::Act
        } else {
            Next::Yield
        }
    }

    pub(crate) fn sleep(&mut self) {
        *self = Self {
            has_slept: true,
            has_yielded: false,
        };
    }
}

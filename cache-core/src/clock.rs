//! Coarse monotonic time for ages and lifetimes. A leaf; every tier asks it instead of the system.

#[cfg(feature = "testing")]
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

/// Nanoseconds since an arbitrary start.
pub(crate) type Nanos = u64;

/// For how long the system's coarse clock stands still at most: a tick of the slowest kernels, a hundredth of a second.
pub(crate) const LONGEST_STEP: Nanos = 10_000_000;

/// Where a cache reads the time from.
///
/// The system's clock is monotonic and coarse: on Linux it moves in steps of 1 to 10 ms (mostly 4), so that a read takes only
/// about 5 ns. Lifetimes are accurate to that step.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    #[cfg(feature = "testing")]
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The system's coarse monotonic clock, the default of every cache.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    #[cfg(feature = "testing")]
    pub(crate) fn manual(now: Arc<AtomicU64>) -> Self {
        Self(Source::Manual(now))
    }

    /// Whether it is moved by hand.
    pub(crate) fn is_manual(&self) -> bool {
        match &self.0 {
            Source::System => false,
            #[cfg(feature = "testing")]
            Source::Manual(_) => true,
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Nanos {
        match &self.0 {
            Source::System => system_now(),
            #[cfg(feature = "testing")]
            Source::Manual(now) => now.load(Ordering::Acquire),
        }
    }

    /// The system's time, of which `now` is this clock's: proof of hearing other processes grows old by no other.
    #[inline]
    pub(crate) fn system_at(&self, now: Nanos) -> Nanos {
        match &self.0 {
            Source::System => now,
            #[cfg(feature = "testing")]
            Source::Manual(_) => system_now(),
        }
    }
}

/// Saturates.
pub(crate) fn nanos(span: Duration) -> Nanos {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// `after` saturates: a lifetime of centuries is for ever, not an overflow.
pub(crate) fn after(now: Nanos, span: Duration) -> Nanos {
    now.saturating_add(nanos(span))
}

pub(crate) fn before(now: Nanos, span: Duration) -> Nanos {
    now.saturating_sub(nanos(span))
}

/// The system's time: every age that does not follow a cache's own clock.
#[inline]
pub(crate) fn system_now() -> Nanos {
    #[cfg(test)]
    if let Some(now) = simulated::now() {
        return now;
    }
    monotonic()
}

#[cfg(target_os = "linux")]
#[inline]
fn monotonic() -> Nanos {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    // The kernel's monotonic clock is never negative and lasts 584 years in 64 bits.
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

#[cfg(not(target_os = "linux"))]
fn monotonic() -> Nanos {
    use std::{sync::OnceLock, time::Instant};
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// How long this machine has slept since it was started, while its monotonic clock stood still; 0 where that is not told.
pub(crate) fn asleep() -> Nanos {
    #[cfg(test)]
    if simulated::is_on() {
        return simulated::asleep();
    }
    slept()
}

#[cfg(target_os = "linux")]
fn slept() -> Nanos {
    use rustix::time::{ClockId, clock_gettime};
    let of = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
    };
    of(ClockId::Boottime).saturating_sub(of(ClockId::Monotonic))
}

#[cfg(not(target_os = "linux"))]
fn slept() -> Nanos {
    0
}

/// The system's time in simulations: that of a paused Tokio runtime, which moves when all tasks wait.
#[cfg(test)]
pub(crate) mod simulated {
    use std::cell::Cell;

    use tokio::time::Instant;

    use super::Nanos;

    /// When a simulation begins: far enough from zero for everything to have been long ago.
    const START: Nanos = 1_000_000_000_000;

    thread_local! {
        static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
        static NUMBERS: Cell<u64> = const { Cell::new(0) };
        static ASLEEP: Cell<Nanos> = const { Cell::new(0) };
    }

    /// Makes the time of this runtime that of this thread, until the end.
    pub(crate) struct Simulated(());

    impl Simulated {
        /// Within a paused runtime.
        pub(crate) fn begin() -> Self {
            BEGAN.set(Some(Instant::now()));
            NUMBERS.set(0);
            ASLEEP.set(0);
            Self(())
        }
    }

    impl Drop for Simulated {
        fn drop(&mut self) {
            BEGAN.set(None);
        }
    }

    /// A number that no other has in this simulation; nothing outside one.
    pub(crate) fn next_number() -> Option<u64> {
        is_on().then(|| {
            NUMBERS.set(NUMBERS.get() + 1);
            NUMBERS.get()
        })
    }

    /// The machine sleeps, which its clock does not show.
    pub(crate) fn sleep(span: Nanos) {
        ASLEEP.set(ASLEEP.get() + span);
    }

    pub(super) fn asleep() -> Nanos {
        ASLEEP.get()
    }

    pub(crate) fn is_on() -> bool {
        cfg!(shuttled) || BEGAN.get().is_some()
    }

    pub(super) fn now() -> Option<Nanos> {
        if cfg!(shuttled) {
            // Of orders, not of times: nobody is late.
            return Some(START);
        }
        let began = BEGAN.get()?;
        let passed = Instant::now().saturating_duration_since(began);
        Some(START + u64::try_from(passed.as_nanos()).unwrap_or(0))
    }
}

//! Coarse monotonic time for ages and lifetimes. A leaf; every tier asks it instead of the system.

#[cfg(feature = "testing")]
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

/// Nanoseconds since an arbitrary start.
pub(crate) type Nanos = u64;

/// Where a cache reads the time from.
///
/// The system's clock is monotonic and coarse: it moves in steps of 1 to 4 ms on Linux, which is
/// what a read of about 5 ns costs in precision. Lifetimes are precise to that step.
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

    #[inline]
    pub(crate) fn now(&self) -> Nanos {
        match &self.0 {
            Source::System => system_now(),
            #[cfg(feature = "testing")]
            Source::Manual(now) => now.load(Ordering::Acquire),
        }
    }
}

/// `after` saturates: a lifetime of centuries is for ever, not an overflow.
pub(crate) fn after(now: Nanos, span: Duration) -> Nanos {
    now.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
}

pub(crate) fn before(now: Nanos, span: Duration) -> Nanos {
    now.saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(target_os = "linux")]
#[inline]
pub(crate) fn system_now() -> Nanos {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    // The kernel's monotonic clock is never negative and lasts 584 years in 64 bits.
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn system_now() -> Nanos {
    use std::{sync::OnceLock, time::Instant};
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

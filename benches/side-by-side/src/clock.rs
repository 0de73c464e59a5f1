//! The clocks of the kernel: the one that hand-written code asks for an expiry, and the one that
//! measures.

use rustix::time::{ClockId, Timespec, clock_gettime};

pub(crate) type Nanos = u64;

/// Time since an arbitrary start, in steps of 1 to 4 ms, for about 5 ns.
#[inline]
pub(crate) fn coarse_now() -> Nanos {
    nanos(clock_gettime(ClockId::MonotonicCoarse))
}

/// What this thread has used of its core: other programs on the core do not count.
pub(crate) fn thread_time() -> Nanos {
    nanos(clock_gettime(ClockId::ThreadCPUTime))
}

#[inline]
fn nanos(time: Timespec) -> Nanos {
    // Neither clock is ever negative.
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

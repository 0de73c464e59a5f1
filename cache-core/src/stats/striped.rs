//! A counter that threads do not fight over.

use std::{
    cell::Cell,
    fmt,
    sync::atomic::{
        AtomicU32, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
};

/// Threads that can have a stripe to themselves at one time.
const STRIPES: usize = 16;

/// A counter in stripes: each of the first threads adds to one that is its own, without a locked
/// instruction; all others share the last.
#[derive(Default)]
pub(crate) struct Striped {
    owned: [Stripe; STRIPES],
    shared: Stripe,
}

/// On cache lines of its own, a pair of them because processors fetch pairs.
#[derive(Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

impl Striped {
    #[inline]
    pub(crate) fn add_one(&self) {
        match self.owned.get(stripe_of_thread()) {
            // Nobody else writes it, so a load and a store lose nothing.
            Some(Stripe(own)) => own.store(own.load(Relaxed) + 1, Relaxed),
            None => {
                self.shared.0.fetch_add(1, Relaxed);
            }
        }
    }

    pub(crate) fn sum(&self) -> u64 {
        let owned: u64 = self.owned.iter().map(|stripe| stripe.0.load(Relaxed)).sum();
        owned + self.shared.0.load(Relaxed)
    }
}

impl fmt::Debug for Striped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.sum(), f)
    }
}

/// Bit `n` is set while a thread owns stripe `n`.
static OWNED: AtomicU32 = AtomicU32::new(0);

const UNKNOWN: usize = usize::MAX;
const SHARED: usize = STRIPES;

thread_local! {
    static STRIPE: Cell<usize> = const { Cell::new(UNKNOWN) };
    static OWNER: Owner = Owner::claim();
}

#[inline]
fn stripe_of_thread() -> usize {
    match STRIPE.get() {
        UNKNOWN => claim_stripe(),
        stripe => stripe,
    }
}

#[cold]
fn claim_stripe() -> usize {
    let stripe = OWNER.try_with(|owner| owner.0).unwrap_or(SHARED);
    STRIPE.set(stripe);
    stripe
}

/// A thread's stripe, until the thread ends.
struct Owner(usize);

impl Owner {
    fn claim() -> Self {
        let claimed = OWNED.fetch_update(AcqRel, Acquire, |owned| {
            let free = owned.trailing_ones();
            ((free as usize) < STRIPES).then(|| owned | 1 << free)
        });
        Self(claimed.map_or(SHARED, |before| before.trailing_ones() as usize))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        STRIPE.set(SHARED);
        if self.0 < STRIPES {
            // What this thread counted is there before another thread goes on counting.
            OWNED.fetch_and(!(1 << self.0), AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn no_count_is_lost_when_threads_come_and_go() {
        let counter = Arc::new(Striped::default());
        for _ in 0..5 {
            let threads: Vec<_> = (0..STRIPES + 8)
                .map(|_| {
                    let counter = Arc::clone(&counter);
                    thread::spawn(move || (0..1_000).for_each(|_| counter.add_one()))
                })
                .collect();
            for thread in threads {
                thread.join().expect("the thread only counts");
            }
        }
        assert_eq!(counter.sum(), 5 * 1_000 * (STRIPES as u64 + 8));
    }
}

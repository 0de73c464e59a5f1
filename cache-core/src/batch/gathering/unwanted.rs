//! For how long nobody has waited for a load, and whether that is too long.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::clock::{Nanos, nanos};

#[derive(Debug)]
pub(super) struct Unwanted {
    /// How long it may be, in nanoseconds.
    most: AtomicU64,
    /// Since when nobody waits; zero while somebody does.
    since: AtomicU64,
    is_overdue: AtomicBool,
}

impl Unwanted {
    pub(super) fn new() -> Self {
        Self {
            most: AtomicU64::new(Nanos::MAX),
            since: AtomicU64::new(0),
            is_overdue: AtomicBool::new(false),
        }
    }

    pub(super) fn limit(&self, most: Duration) {
        self.most.store(nanos(most), Relaxed);
    }

    pub(super) fn is_overdue(&self) -> bool {
        self.is_overdue.load(Relaxed)
    }

    /// Takes whether somebody waits `now`. Gives whether it is too long that nobody does.
    pub(super) fn note(&self, is_wanted: bool, now: Nanos) -> bool {
        let since = self.since.load(Relaxed);
        if is_wanted {
            self.since.store(0, Relaxed);
        } else if since == 0 {
            self.since.store(now.max(1), Relaxed);
        } else if now >= since.saturating_add(self.most.load(Relaxed)) {
            self.is_overdue.store(true, Relaxed);
        }
        self.is_overdue()
    }
}

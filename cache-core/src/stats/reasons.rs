//! Counts of one thing by its reasons.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::lock::Mutex;

/// Why something happened: one of a few, of which each has its number.
pub(crate) trait Reason: Copy + 'static {
    /// All of them, in the order of their numbers.
    const ALL: &'static [Self];

    fn number(self) -> usize;
}

/// How often something happened for each of at most `N` reasons.
#[derive(Debug)]
pub(crate) struct ByReason<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for ByReason<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl<const N: usize> ByReason<N> {
    pub(crate) fn add(&self, reason: impl Reason) {
        if let Some(count) = self.0.get(reason.number()) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Those that there were.
    pub(crate) fn snapshot<R: Reason>(&self) -> Vec<(R, u64)> {
        let counts = self.0.iter().map(|count| count.load(Relaxed));
        let all = R::ALL.iter().copied().zip(counts);
        all.filter(|(_, count)| *count > 0).collect()
    }

    pub(crate) fn sum_of<R: Reason>(&self, is_one: fn(R) -> bool) -> u64 {
        let counts = self.snapshot::<R>().into_iter();
        counts
            .filter(|(reason, _)| is_one(*reason))
            .map(|(_, count)| count)
            .sum()
    }
}

/// Adds counts to others of the same kind.
pub(super) fn add<R: Clone + PartialEq>(counts: &mut Vec<(R, u64)>, more: &[(R, u64)]) {
    for (reason, more) in more {
        match counts.iter_mut().find(|(known, _)| known == reason) {
            Some((_, count)) => *count += more,
            None => counts.push((reason.clone(), *more)),
        }
    }
}

/// How often something happened by a name. Names are few: those of a program's own types.
#[derive(Debug, Default)]
pub(crate) struct ByName(Mutex<Vec<(Box<str>, u64)>>);

impl ByName {
    pub(crate) fn add(&self, name: &str) {
        let mut counts = self.0.lock();
        match counts.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name.into(), 1)),
        }
    }

    /// Sorted by name.
    pub(crate) fn snapshot(&self) -> Vec<(String, u64)> {
        let counts = self.0.lock();
        let mut all: Vec<_> = counts
            .iter()
            .map(|(name, count)| (name.to_string(), *count))
            .collect();
        all.sort_unstable();
        all
    }
}

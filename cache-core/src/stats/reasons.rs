//! Counts of one thing by its reasons.

use std::{
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::lock::Mutex;

/// Why something happened: one of a few, of which each has its number.
pub(crate) trait Reason: Copy + 'static {
    /// All of them, in the order of their numbers.
    const ALL: &'static [Self];

    fn number(self) -> usize;
}

/// How often something happened for each of its `N` reasons.
#[derive(Debug)]
pub(crate) struct ByReason<R, const N: usize>([AtomicU64; N], PhantomData<R>);

impl<R: Reason, const N: usize> Default for ByReason<R, N> {
    fn default() -> Self {
        const { assert!(R::ALL.len() == N) };
        Self(std::array::from_fn(|_| AtomicU64::new(0)), PhantomData)
    }
}

impl<R: Reason, const N: usize> ByReason<R, N> {
    pub(crate) fn add(&self, reason: R) {
        self.0[reason.number()].fetch_add(1, Relaxed);
    }

    /// Those that there were.
    pub(crate) fn snapshot(&self) -> Vec<(R, u64)> {
        self.counts().filter(|(_, count)| *count > 0).collect()
    }

    pub(crate) fn sum_of(&self, is_one: fn(R) -> bool) -> u64 {
        let counts = self.counts().filter(|(reason, _)| is_one(*reason));
        counts.map(|(_, count)| count).sum()
    }

    fn counts(&self) -> impl Iterator<Item = (R, u64)> {
        let counts = self.0.iter().map(|count| count.load(Relaxed));
        R::ALL.iter().copied().zip(counts)
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

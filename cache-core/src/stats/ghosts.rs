//! What more memory would do: how much of it those entries lacked that were evicted and asked for again.
//!
//! An entry is evicted when more than the limit was kept since it was last used. What is evicted until it is asked for again
//! is what it lacked in addition: its reuse distance, after Mattson, Gecsei, Slutz and Traiger, "Evaluation techniques for
//! storage hierarchies", 1970, where the least recently used one leaves, and about that under other policies.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// So much more memory is asked about, in percent of what there is.
const STEPS: [u64; 4] = [25, 50, 100, 300];

#[derive(Debug, Default)]
pub(crate) struct Ghosts([AtomicU64; STEPS.len()]);

impl Ghosts {
    /// An entry is asked for that would be there with so many percent more memory.
    pub(crate) fn add(&self, percent: u64) {
        if let Some(step) = STEPS.iter().position(|step| percent <= *step) {
            self.0[step].fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn snapshot(&self) -> GhostCurve {
        GhostCurve(self.0.each_ref().map(|count| count.load(Relaxed)))
    }
}

/// How many misses more memory would have avoided: those of entries that had been evicted and were asked for again.
///
/// It is an estimate, from what was evicted in between. The cache remembers only about 16,000 evicted entries at a
/// time, so among millions of small ones it sees only those that return quickly; and some would have expired meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GhostCurve([u64; STEPS.len()]);

impl GhostCurve {
    /// For 25, 50, 100 and 300 percent more than `memory_limit`: how many misses would have been hits.
    pub fn steps(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let spared = self.0.iter().scan(0, |spared, count| {
            *spared += count;
            Some(*spared)
        });
        STEPS.into_iter().zip(spared)
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}

/// `+25 %: 10, +50 %: 40, +100 %: 200, +300 %: 200`
impl fmt::Display for GhostCurve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (percent, spared)) in self.steps().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(f, "{separator}+{percent} %: {spared}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_what_the_smaller_ones_have() {
        let ghosts = Ghosts::default();
        for percent in [0, 25, 26, 90, 100, 300, 301] {
            ghosts.add(percent);
        }
        let mut curve = ghosts.snapshot();
        assert_eq!(
            curve.to_string(),
            "+25 %: 2, +50 %: 3, +100 %: 5, +300 %: 6"
        );
        curve.add(&ghosts.snapshot());
        assert_eq!(curve.steps().last(), Some((300, 12)));
    }
}

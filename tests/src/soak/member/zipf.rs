//! Which facts are wanted: some much more often than others, as in most programs.

use super::super::{Place, RATES};
use crate::Random;

/// Odd, so that neighbours in popularity are no neighbours on a shelf.
const SCATTER: usize = 97;

/// The item of rank `n` is wanted `1 / n` times as often as the first.
#[derive(Debug)]
pub(super) struct Zipf(Vec<usize>);

impl Zipf {
    pub(super) fn new() -> Self {
        let weights = (1..=RATES).map(|rank| 1_000_000 / rank);
        let sums = weights.scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self(sums.collect())
    }

    pub(super) fn draw(&self, random: &Random) -> Place {
        let all = *self.0.last().expect("there are items");
        let drawn = random.below(all);
        let rank = self.0.partition_point(|sum| *sum <= drawn);
        Place::of_number(rank * SCATTER % RATES)
    }
}

//! Chance that is the same in every run: a seeded generator, ranks by Zipf's law, and the gaps between arrivals.

use std::time::Duration;

/// The generator splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014).
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn seeded(seed: u64) -> Self {
        // Neighbouring seeds would begin with neighbouring states.
        Self(seed.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let remainder = self.next() % u64::from(bound);
        u32::try_from(remainder).expect("a remainder is below its divisor")
    }

    /// From 0 up to 1, without either.
    fn fraction(&mut self) -> f64 {
        let bits = u32::try_from(self.next() >> 32).expect("half of the bits are left");
        (f64::from(bits) + 0.5) / (f64::from(u32::MAX) + 1.0)
    }

    /// How long until the next arrival, of so many a second that know nothing of each other: a Poisson process.
    pub(crate) fn gap(&mut self, per_second: f64) -> Duration {
        Duration::from_secs_f64(-self.fraction().ln() / per_second)
    }
}

/// Ranks from 0, the n-th with a probability in proportion to 1 / n: a few are asked for often and most hardly ever, as in
/// shops and on the web.
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    /// The weights of all ranks up to each rank, in integers, which round alike on every machine.
    cumulative: Vec<u64>,
}

impl Zipf {
    pub(crate) fn new(ranks: u32) -> Self {
        const WEIGHT_OF_FIRST: u64 = 1 << 40;
        let mut sum = 0;
        let cumulative = (1..=u64::from(ranks)).map(|n| {
            sum += WEIGHT_OF_FIRST / n;
            sum
        });
        Self {
            cumulative: cumulative.collect(),
        }
    }

    pub(crate) fn draw(&self, chance: &mut Chance) -> u32 {
        let total = *self.cumulative.last().expect("there is at least one rank");
        let point = chance.next() % total;
        let rank = self.cumulative.partition_point(|&sum| sum <= point);
        u32::try_from(rank).expect("the number of ranks is a `u32`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 100_000;

    #[test]
    fn ranks_follow_zipfs_law() {
        let (zipf, mut chance) = (Zipf::new(1_000), Chance::seeded(1));
        let mut drawn = vec![0_u32; 1_000];
        for _ in 0..DRAWS {
            drawn[zipf.draw(&mut chance) as usize] += 1;
        }
        let harmonic: f64 = (1..=1_000).map(|n| 1.0 / f64::from(n)).sum();
        for rank in [0_u32, 1, 9, 99] {
            let expected = f64::from(DRAWS) / harmonic / f64::from(rank + 1);
            let seen = f64::from(drawn[rank as usize]);
            // Four times its standard deviation.
            let error = (seen - expected).abs();
            assert!(error < 4.0 * expected.sqrt(), "{rank}: {seen}");
        }
    }

    #[test]
    fn one_rank_is_always_drawn() {
        let (zipf, mut chance) = (Zipf::new(1), Chance::seeded(1));
        assert!((0..100).all(|_| zipf.draw(&mut chance) == 0));
    }

    #[test]
    fn gaps_are_as_long_as_the_rate_says_and_as_uneven_as_chance() {
        let mut chance = Chance::seeded(2);
        let gaps = (0..DRAWS).map(|_| chance.gap(1_000.0).as_secs_f64());
        let gaps: Vec<f64> = gaps.collect();
        let mean = gaps.iter().sum::<f64>() / f64::from(DRAWS);
        assert!((0.000_98..0.001_02).contains(&mean), "{mean}");
        // Of an exponential distribution, 1 / e is longer than the mean.
        let longer = gaps.iter().filter(|gap| **gap > 0.001).count();
        assert!((35_800..37_800).contains(&longer), "{longer}");
    }

    #[test]
    fn a_seed_says_it_all() {
        let draw = |seed| {
            let mut chance = Chance::seeded(seed);
            [(); 8].map(|()| chance.below(1_000))
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}

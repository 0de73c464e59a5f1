//! Chance that is the same in every run: a seeded generator, and ranks drawn by Zipf's law.

/// The generator splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014).
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn seeded(seed: u32) -> Self {
        Self(u64::from(seed))
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

    /// One of `choices`.
    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let count = u32::try_from(choices.len()).expect("there are few choices");
        &choices[self.below(count) as usize]
    }
}

/// Ranks from 0, the n-th with a probability in proportion to 1 / n: a few are asked for often and
/// most hardly ever, as in shops and on the web.
#[derive(Debug)]
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

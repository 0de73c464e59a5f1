//! What a cached function gives for a fact: a number that says of which fact it is, who loaded it, and which version it
//! is, so that one which nobody wrote, or which is another's, is known for it.

use super::Life;

/// What is known by one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loaded {
    pub(super) fact: usize,
    pub(super) life: Life,
    pub(super) version: u32,
}

const FACT: u32 = 48;
const LIFE: u32 = 32;

impl Loaded {
    /// It is less than `i64::MAX`.
    pub(super) fn number(self) -> u64 {
        // From one on: a number of nothing but zeros is of no fact.
        ((self.fact as u64 + 1) << FACT) | (u64::from(self.life) << LIFE) | u64::from(self.version)
    }

    /// Nothing for a number that is of no fact.
    pub(super) fn of_number(number: u64) -> Option<Self> {
        let life = (number >> LIFE) & u64::from(u16::MAX);
        let fact = usize::try_from(number >> FACT).ok()?;
        Some(Self {
            fact: fact.checked_sub(1)?,
            life: Life::try_from(life).ok()?,
            version: u32::try_from(number & u64::from(u32::MAX)).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_says_what_it_is_of() {
        let loaded = Loaded {
            fact: 0,
            life: 65_535,
            version: u32::MAX,
        };
        assert_eq!(Loaded::of_number(loaded.number()), Some(loaded));
        assert_eq!(Loaded::of_number(u64::from(u32::MAX)), None);
    }
}

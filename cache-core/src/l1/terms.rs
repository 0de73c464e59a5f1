//! What becomes of an entry as it grows old: its strategy, with what has been done about it so far.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::entry::Terms;
use crate::{
    clock::Nanos,
    strategy::{Decision, Life, Moment, Strategy, Trouble, Validity},
};

const NONE: u8 = 0;
const FAILED: u8 = 1;
const LATE: u8 = 2;

/// The terms of one entry.
#[derive(Debug)]
struct Aging {
    strategy: Strategy,
    life: Life,
    quiet_until: Nanos,
    /// Between 0 and 1, and in each process another one.
    spread: f64,
    /// Until when somebody is at its successor, or nobody is to be: since before an event made it void, and since that.
    refreshing_until: [AtomicU64; 2],
    /// Until when it stands in for loads, as the last one failed.
    standing_in_until: AtomicU64,
    /// Why nobody loads its successor until the first `refreshing_until`: a [`Trouble`], or zero.
    trouble: AtomicU8,
}

/// The terms of an entry whose function has this strategy.
pub(crate) fn terms(strategy: Strategy, life: Life, spread: f64) -> Box<dyn Terms> {
    Box::new(Aging {
        strategy,
        life,
        quiet_until: strategy.quiet_until(&life, spread),
        spread,
        refreshing_until: Default::default(),
        standing_in_until: AtomicU64::new(0),
        trouble: AtomicU8::new(NONE),
    })
}

impl Aging {
    fn refreshing_until(&self, known: Validity) -> &AtomicU64 {
        let is_void = matches!(known, Validity::Invalidated { .. });
        &self.refreshing_until[usize::from(is_void)]
    }
}

impl Terms for Aging {
    fn life(&self) -> Life {
        self.life
    }

    fn quiet_until(&self) -> Nanos {
        self.quiet_until
    }

    fn took(&mut self, load_time: Duration) {
        self.life.load_time = load_time;
        self.quiet_until = self.strategy.quiet_until(&self.life, self.spread);
    }

    fn end_at(&mut self, time: Nanos) {
        let Life {
            fresh_until,
            kept_until,
            ..
        } = &mut self.life;
        *fresh_until = time.min(*fresh_until);
        *kept_until = time.min(*kept_until);
        self.quiet_until = time.min(self.quiet_until);
    }

    fn on_read(&self, known: Validity, now: Nanos) -> Decision {
        let moment = Moment::Read {
            quiet_until: self.quiet_until,
            draw: draw(),
            is_refreshing: now < self.refreshing_until(known).load(Relaxed),
            is_throttled: now < self.standing_in_until.load(Relaxed),
        };
        self.strategy.decide(&self.life, known, now, moment)
    }

    fn stands_in(&self, known: Validity, now: Nanos) -> bool {
        let decision = self.strategy.decide(&self.life, known, now, Moment::Missed);
        decision != Decision::Decline
    }

    fn claim(&self, known: Validity, now: Nanos, until: Nanos) -> bool {
        let claim = self.refreshing_until(known);
        let before = claim.load(Relaxed);
        let is_claimed = before <= now
            && claim
                .compare_exchange(before, until, Relaxed, Relaxed)
                .is_ok();
        if is_claimed {
            self.trouble.store(NONE, Relaxed);
        }
        is_claimed
    }

    fn release(&self, known: Validity, until: Nanos, next: Nanos) {
        // Not where its load has failed, and was put off.
        let claim = self.refreshing_until(known);
        let _ = claim.compare_exchange(until, next, Relaxed, Relaxed);
    }

    fn put_off(&self, known: Validity, until: Nanos, trouble: Trouble, may_stand_in: bool) {
        let trouble = match trouble {
            Trouble::Failed => FAILED,
            Trouble::Late => LATE,
        };
        self.trouble.store(trouble, Relaxed);
        self.refreshing_until(known).store(until, Relaxed);
        // An error that is to be shown is shown though it came late, and something stood in for it until then.
        let standing_in_until = if may_stand_in { until } else { 0 };
        self.standing_in_until.store(standing_in_until, Relaxed);
    }

    fn trouble(&self, now: Nanos) -> Option<Trouble> {
        if now >= self.refreshing_until(Validity::Valid).load(Relaxed) {
            return None;
        }
        match self.trouble.load(Relaxed) {
            FAILED => Some(Trouble::Failed),
            LATE => Some(Trouble::Late),
            _ => None,
        }
    }
}

thread_local! {
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0));
}

/// In a simulation what is drawn is the same in each run.
#[cfg(test)]
pub(crate) fn draw_from(seed: u64) {
    STATE.set(seed);
}

/// A random number above 0, and at most 1. For spreading work, not for secrets.
fn draw() -> f64 {
    // SplitMix64: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
    let state = STATE.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
    STATE.set(state);
    let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    unit(mixed ^ (mixed >> 31))
}

/// A number above 0, and at most 1, of all bits but the lowest.
#[expect(clippy::cast_precision_loss, reason = "53 bits are left")]
pub(crate) fn unit(bits: u64) -> f64 {
    ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_above_zero_at_most_one_and_spread_over_all_between() {
        let draws: Vec<_> = (0..10_000).map(|_| draw()).collect();
        assert!(draws.iter().all(|draw| *draw > 0.0 && *draw <= 1.0));
        let mean = draws.iter().sum::<f64>() / 10_000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert!((unit(u64::MAX) - 1.0).abs() < f64::EPSILON);
        assert!(unit(0) > 0.0);
    }

    #[test]
    fn one_caller_at_a_time_loads_a_successor() {
        let life = Life {
            created: 0,
            fresh_until: 100,
            kept_until: 100,
            load_time: Duration::ZERO,
        };
        let terms = terms(Strategy::new().refresh_ahead(0.5), life, 0.0);
        assert_eq!(terms.on_read(Validity::Valid, 49), Decision::Serve);
        assert_eq!(
            terms.on_read(Validity::Valid, 50),
            Decision::ServeAndRefresh
        );
        let valid = Validity::Valid;
        assert!(terms.claim(valid, 50, 80));
        assert!(!terms.claim(valid, 50, 80));
        assert_eq!(terms.on_read(Validity::Valid, 79), Decision::Serve);
        assert_eq!(
            terms.on_read(Validity::Valid, 80),
            Decision::ServeAndRefresh
        );
        assert!(terms.claim(valid, 80, 90));
        assert_eq!(terms.trouble(85), None);
        terms.put_off(valid, 95, Trouble::Failed, false);
        assert_eq!(terms.on_read(Validity::Valid, 94), Decision::Serve);
        assert_eq!(terms.trouble(94), Some(Trouble::Failed));
        assert_eq!(terms.trouble(95), None);
        assert_eq!(terms.on_read(Validity::Valid, 100), Decision::Decline);
    }
}

//! What was written, and whether an answer may miss it: the checker. It knows nothing of caches.
//!
//! Times are those of the customers: a write counts from the moment its answer had arrived, a read is as old as the moment
//! its request was sent. What both sides can be sure of is less strict than that, never more.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::fleet::REPLICAS;

/// Something that has a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fact {
    Price { category: u32, product: u32 },
    Cart { user: u32 },
    Orders { user: u32 },
}

/// What an answer misses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// A write that it must show.
    pub(crate) is_stale: bool,
    /// A write of more than the bound ago that Redis did not have for so long: its replica had not found it again.
    pub(crate) is_untold: bool,
    /// How long ago the oldest write that it misses was acknowledged. Up to the bound, and through another replica, it may.
    pub(crate) late: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    bound: Duration,
    writes: HashMap<Fact, Vec<Write>>,
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Write {
    version: u64,
    replica: usize,
    acknowledged: Instant,
}

/// Redis was gone, and is back for each replica at another time.
#[derive(Debug)]
struct Outage {
    begin: Instant,
    restart: Option<Instant>,
    /// From when on Redis had all that a replica had to say.
    is_told: [Option<Instant>; REPLICAS],
}

impl Ledger {
    pub(crate) fn new(bound: Duration) -> Self {
        Self {
            bound,
            writes: HashMap::new(),
            outage: None,
        }
    }

    /// A write was acknowledged.
    pub(crate) fn written(&mut self, facts: &[(Fact, u64)], replica: usize, at: Instant) {
        for &(fact, version) in facts {
            self.writes.entry(fact).or_default().push(Write {
                version,
                replica,
                acknowledged: at,
            });
        }
    }

    /// Redis is about to die.
    pub(crate) fn redis_dies(&mut self, at: Instant) {
        self.outage = Some(Outage {
            begin: at,
            restart: None,
            is_told: [None; REPLICAS],
        });
    }

    /// Redis is about to be back.
    pub(crate) fn redis_returns(&mut self, at: Instant) {
        if let Some(outage) = &mut self.outage {
            outage.restart = Some(at);
        }
    }

    /// All that this replica has changed has reached Redis.
    pub(crate) fn is_told(&mut self, replica: usize, at: Instant) {
        if let Some(outage) = &mut self.outage
            && outage.restart.is_some_and(|restart| restart < at)
        {
            outage.is_told[replica].get_or_insert(at);
        }
    }

    /// How long after its return Redis had all that was changed without it, replica by replica.
    pub(crate) fn told_after(&self) -> [Option<Duration>; REPLICAS] {
        let Some(Outage {
            restart: Some(restart),
            is_told,
            ..
        }) = &self.outage
        else {
            return [None; REPLICAS];
        };
        is_told.map(|at| Some(at? - *restart))
    }

    /// Judges what this replica has answered to a request that was sent then.
    pub(crate) fn judge(&self, shown: &[(Fact, u64)], replica: usize, sent: Instant) -> Verdict {
        let mut verdict = Verdict::default();
        for (fact, version) in shown {
            let writes = self.writes.get(fact).into_iter().flatten();
            let missed =
                writes.filter(|write| write.version > *version && write.acknowledged < sent);
            for write in missed {
                self.judge_one(write, replica, sent, &mut verdict);
            }
        }
        verdict
    }

    fn judge_one(&self, write: &Write, replica: usize, sent: Instant, verdict: &mut Verdict) {
        let age = sent - write.acknowledged;
        verdict.late = verdict.late.max(Some(age));
        if write.replica == replica {
            verdict.is_stale = true;
        } else if age > self.bound {
            if self.is_excused(write, sent) {
                verdict.is_untold = true;
            } else {
                verdict.is_stale = true;
            }
        }
    }

    /// Whether Redis, which is back, does not have this write for the bound yet. As long as it is dead there is no excuse:
    /// who cannot ask it may not believe what he has for longer than the bound either.
    fn is_excused(&self, write: &Write, sent: Instant) -> bool {
        let Some(outage) = &self.outage else {
            return false;
        };
        let told = outage.is_told[write.replica];
        let is_of_outage =
            outage.begin < write.acknowledged && told.is_none_or(|told| write.acknowledged < told);
        let is_back = outage.restart.is_some_and(|restart| restart < sent);
        is_of_outage && is_back && told.is_none_or(|told| sent < told + self.bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CART: Fact = Fact::Cart { user: 7 };
    const BOUND: Duration = Duration::from_secs(2);

    const STALE: bool = true;
    const FINE: bool = false;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// A ledger with version 5 of the cart, written through replica 0 at this moment.
    fn with_a_write() -> (Ledger, Instant) {
        let (mut ledger, begin) = (Ledger::new(BOUND), Instant::now());
        ledger.written(&[(CART, 5)], 0, begin);
        (ledger, begin)
    }

    #[test]
    fn the_writing_replica_shows_its_write_at_once() {
        let (ledger, begin) = with_a_write();
        let judge = |version, sent| ledger.judge(&[(CART, version)], 0, sent).is_stale;
        assert_eq!(judge(4, begin + ms(1)), STALE);
        assert_eq!(judge(5, begin + ms(1)), FINE);
        assert_eq!(judge(6, begin + ms(1)), FINE, "another write");
        assert_eq!(judge(4, begin), FINE, "nobody knew of it");
    }

    #[test]
    fn another_replica_shows_it_within_the_bound() {
        let (ledger, begin) = with_a_write();
        let judge = |version, sent| ledger.judge(&[(CART, version)], 1, sent);
        let late = judge(4, begin + ms(1_500));
        assert_eq!((late.is_stale, late.late), (FINE, Some(ms(1_500))));
        assert_eq!(judge(4, begin + ms(2_001)).is_stale, STALE);
        assert_eq!(judge(5, begin + ms(2_001)), Verdict::default());
    }

    #[test]
    fn one_old_part_makes_an_answer_stale() {
        let (mut ledger, begin) = with_a_write();
        let price = Fact::Price {
            category: 1,
            product: 2,
        };
        ledger.written(&[(price, 2)], 1, begin);
        let sent = begin + ms(3_000);
        let judge = |shown: &[_]| ledger.judge(shown, 2, sent).is_stale;
        assert_eq!(judge(&[(CART, 5), (price, 2)]), FINE);
        assert_eq!(judge(&[(CART, 5), (price, 1)]), STALE);
        assert_eq!(judge(&[(CART, 4), (price, 2)]), STALE);
        assert_eq!(judge(&[]), FINE);
    }

    #[test]
    fn a_newer_write_does_not_hide_an_older_one() {
        let (mut ledger, begin) = with_a_write();
        ledger.written(&[(CART, 6)], 1, begin + ms(5_000));
        let sent = begin + ms(5_001);
        assert_eq!(ledger.judge(&[(CART, 5)], 2, sent).is_stale, FINE);
        assert_eq!(ledger.judge(&[(CART, 4)], 2, sent).is_stale, STALE);
    }

    #[test]
    fn a_dead_redis_excuses_nobody() {
        let (mut ledger, begin) = (Ledger::new(BOUND), Instant::now());
        ledger.redis_dies(begin);
        ledger.written(&[(CART, 5)], 0, begin + ms(1));
        for replica in 0..REPLICAS {
            let verdict = ledger.judge(&[(CART, 4)], replica, begin + ms(2_002));
            assert_eq!((verdict.is_stale, verdict.is_untold), (STALE, false));
        }
    }

    #[test]
    fn a_redis_that_is_back_is_told_first() {
        let (mut ledger, begin) = (Ledger::new(BOUND), Instant::now());
        ledger.redis_dies(begin);
        ledger.written(&[(CART, 5)], 0, begin + ms(1));
        ledger.redis_returns(begin + ms(5_000));
        let judge = |ledger: &Ledger, replica, after| {
            let verdict = ledger.judge(&[(CART, 4)], replica, begin + ms(after));
            (verdict.is_stale, verdict.is_untold)
        };
        assert_eq!(judge(&ledger, 1, 6_000), (FINE, true));
        assert_eq!(judge(&ledger, 0, 6_000), (STALE, false), "its own write");

        ledger.is_told(0, begin + ms(7_000));
        assert_eq!(judge(&ledger, 1, 8_999), (FINE, true));
        assert_eq!(judge(&ledger, 1, 9_001), (STALE, false));
        assert_eq!(ledger.told_after(), [Some(ms(2_000)), None, None]);

        ledger.written(&[(CART, 6)], 0, begin + ms(10_000));
        let verdict = ledger.judge(&[(CART, 5)], 1, begin + ms(12_001));
        assert!(verdict.is_stale, "a write behind the outage has no excuse");
    }
}

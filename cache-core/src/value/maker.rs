//! Makes entries of what was judged: how long they are fresh for this key, and what becomes of them then.

use std::{sync::Arc, time::Duration};

use super::{
    Fate,
    keep::{Judged, Times},
};
use crate::{
    clock::{Clock, after, before, nanos},
    l1::{Entry, terms::unit},
    policy::Policy,
    site::Aging,
    stats::Counters,
    strategy::Life,
};

/// Makes entries for the loads of one function in one cache.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    pub(crate) clock: Clock,
    pub(crate) counters: Arc<Counters>,
    /// Off where no tier would take the value.
    pub(crate) keeps: bool,
    /// What becomes of values as they grow old, where the function says so.
    pub(crate) aging: Option<Aging>,
    /// What the configuration says.
    pub(crate) policy: Option<Arc<Policy>>,
    /// A number that is the same for the key in every process, by which lifetimes differ from key to key.
    pub(crate) jitter: u64,
    /// A number that is not.
    pub(crate) spread: u64,
}

/// Lifetimes are shorter by up to this part of them, so that what was loaded together does not expire together.
const JITTER: u64 = 10;

// Compiled once, and not into each function that judges.
impl Maker {
    #[inline(never)]
    pub(super) fn lifetime(&self, times: Times, is_none: bool) -> Duration {
        let policy = self.policy.as_deref();
        let times = Times {
            ttl: self.ttl().unwrap_or(times.ttl),
            none_ttl: policy.and_then(|policy| policy.none_ttl).or(times.none_ttl),
            ..times
        };
        self.jittered(times.value(is_none))
    }

    pub(super) fn ttl(&self) -> Option<Duration> {
        self.policy.as_ref()?.ttl
    }

    pub(super) fn err_ttl(&self) -> Option<Duration> {
        self.policy.as_ref()?.err_ttl
    }

    /// The lifetime as that of this key. Under a clock that is moved by hand it is exact.
    fn jittered(&self, lifetime: Duration) -> Duration {
        if self.clock.is_manual() {
            return lifetime;
        }
        let nanos = u128::from(nanos(lifetime));
        let less = (nanos / u128::from(JITTER) * u128::from(self.jitter >> 32)) >> 32;
        let less = u64::try_from(less).unwrap_or(0);
        lifetime.saturating_sub(Duration::from_nanos(less))
    }

    /// An entry of an outcome.
    pub(super) fn entry(&self, judged: &Judged) -> Entry {
        let now = self.clock.now();
        let created = before(now, judged.age);
        let fresh_until = before(after(now, judged.lifetime), judged.stale_for);
        let mut entry = Entry::new(
            created,
            fresh_until.min(after(now, judged.most)),
            judged.bytes.unwrap_or(judged.size),
            judged.bytes.is_some(),
            Arc::clone(&self.counters),
        );
        if judged.is_replaceable {
            entry = entry.replaceable();
        }
        let Some(Aging {
            strategy, terms, ..
        }) = &self.aging
        else {
            return entry;
        };
        if judged.fate != Fate::Keep {
            return entry;
        }
        let grace = after(fresh_until, strategy.grace());
        let life = Life {
            created,
            fresh_until,
            kept_until: grace.min(after(now, judged.most)),
            load_time: judged.load_time,
        };
        entry.with_terms(terms(*strategy, life, unit(self.spread)))
    }
}

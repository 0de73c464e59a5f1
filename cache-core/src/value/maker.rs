//! Makes entries of what was judged: how long they are fresh for this key, and what becomes of them then.

use std::{sync::Arc, time::Duration};

use super::{
    Fate,
    keep::{Judged, Times},
};
use crate::{
    clock::{Clock, after, before, nanos},
    l1::{Entry, terms::unit},
    site::{Aging, SiteState},
    strategy::Life,
};

/// Makes entries for the loads of one function in one cache.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    pub(crate) clock: Clock,
    pub(crate) site: Arc<SiteState>,
    /// Off where no tier would take the value.
    pub(crate) keeps: bool,
    /// A number that is the same for the key in every process, by which lifetimes differ from key to key.
    pub(crate) jitter: u64,
    /// A number that is not.
    pub(crate) spread: u64,
}

/// Lifetimes are shorter by up to this part of them, so that what was loaded together does not expire together.
const JITTER: u64 = 10;

// Compiled once, and not into each function that judges.
impl Maker {
    /// What becomes of a value that takes `size` bytes where it stands.
    #[inline(never)]
    pub(super) fn judge(&self, times: Times, is_none: bool, size: usize) -> Box<Judged> {
        let policy = self.site.policy.as_ref();
        let times = Times {
            ttl: self.ttl().unwrap_or(times.ttl),
            none_ttl: policy.and_then(|policy| policy.none_ttl).or(times.none_ttl),
            ..times
        };
        let lifetime = if self.keeps {
            self.jittered(times.value(is_none))
        } else {
            Duration::ZERO
        };
        Judged::kept(lifetime, size)
    }

    /// What becomes of an error.
    #[inline(never)]
    pub(super) fn judge_error(&self, times: Times, size: usize) -> Box<Judged> {
        let policy = self.site.policy.as_ref();
        let ttl = policy.and_then(|policy| policy.err_ttl).or(times.err_ttl);
        Judged::failed(ttl.unwrap_or_default(), size)
    }

    pub(super) fn ttl(&self) -> Option<Duration> {
        self.site.policy.as_ref()?.ttl
    }

    /// Whether the configuration says for how long it is known that nothing is there.
    pub(super) fn says_of_none(&self) -> bool {
        let policy = self.site.policy.as_ref();
        policy.is_some_and(|policy| policy.none_ttl.or(policy.ttl).is_some())
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
            Arc::clone(&self.site.counters),
        );
        if judged.is_replaceable {
            entry = entry.replaceable();
        }
        let Some(Aging {
            strategy, terms, ..
        }) = &self.site.aging
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

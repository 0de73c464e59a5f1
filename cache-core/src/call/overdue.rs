//! When a load that nobody waits for is given up, as it may hang. The clock is that of the watchdog: a runtime may have no timer.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{flight::Load, site::SiteState};

/// A load that nobody waits for and that takes longer, and so much longer than the last one took, is given up: its slot is
/// free again, and what it gives is kept nowhere.
const DEADLINE: Duration = Duration::from_mins(1);
const LONGER_THAN_THE_LAST: u32 = 4;

/// A load whose caller waited for it until its `timeout` was over has as much time again.
const LONGER_THAN_TIMEOUT: u32 = 2;

/// After one that was given up the next has more time, as it may not have hung; but no more than this.
const LONGER_THAN_GIVEN_UP: u32 = 2;
const LONGEST_BY_TRYING: Duration = Duration::from_mins(16);

/// How long a load may take that nobody waits for, where the last one `took` so long. More than its callers would have
/// waited: what comes behind a `timeout` is kept.
pub(crate) fn deadline_of(site: &SiteState, took: Duration) -> Duration {
    let timeout = site.aging.and_then(|aging| aging.strategy.timeout);
    let took = took.max(site.load_time.get());
    deadline(timeout, took, site.given_up_after.get())
}

fn deadline(timeout: Option<Duration>, took: Duration, given_up_after: Duration) -> Duration {
    let of_last = took.saturating_mul(LONGER_THAN_THE_LAST);
    let more = given_up_after.saturating_mul(LONGER_THAN_GIVEN_UP);
    let of_timeout = timeout.unwrap_or_default();
    let of_timeout = of_timeout.saturating_mul(LONGER_THAN_TIMEOUT);
    let longest = DEADLINE.max(of_last).max(of_timeout);
    longest.max(more.min(LONGEST_BY_TRYING))
}

/// Ends a load that nobody waits for from now on, if it takes too long.
pub(super) fn limit(load: Option<&Arc<Load>>) {
    if let Some(load) = load {
        load.limit(deadline_of(load.site(), Duration::ZERO));
    }
}

/// A load in a task of its own, while its caller waits for it.
pub(super) struct Attended(pub(super) Option<Weak<Load>>);

impl Drop for Attended {
    fn drop(&mut self) {
        let load = self.0.as_ref().and_then(Weak::upgrade);
        limit(load.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_nobody_waits_for_may_take_longer_than_the_last_one_and_than_its_timeout() {
        let (zero, minutes) = (Duration::ZERO, Duration::from_mins);
        assert_eq!(deadline(None, zero, zero), minutes(1));
        assert_eq!(deadline(None, minutes(2), zero), minutes(8));
        let timeout = |time| Some(Duration::from_secs(time));
        assert_eq!(deadline(timeout(2), zero, zero), minutes(1));
        assert_eq!(deadline(timeout(300), minutes(1), zero), minutes(10));
    }

    #[test]
    fn behind_one_that_was_given_up_the_next_has_twice_its_time() {
        let behind = |given_up| deadline(None, Duration::ZERO, given_up);
        let first = behind(Duration::ZERO);
        assert_eq!(behind(first), 2 * first);
        assert_eq!(behind(LONGEST_BY_TRYING), LONGEST_BY_TRYING);
    }
}

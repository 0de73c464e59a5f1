//! When a load that nobody waits for is given up, as it may hang.

use std::{sync::Arc, time::Duration};

use tokio::task::AbortHandle;

use crate::{
    clock::{Nanos, after, system_now},
    site::SiteState,
    watchdog::{self, Watched},
};

/// A load that nobody waits for and that takes longer, and so much longer than the last one took, is given up: its slot is free
/// again, and what it gives is kept nowhere.
const DEADLINE: Duration = Duration::from_mins(1);
const LONGER_THAN_THE_LAST: u32 = 4;

/// How long a load may take that nobody waits for, where the last one `took` so long. Not less than its callers would have
/// waited: what comes behind a `timeout` is kept.
pub(super) fn deadline_of(site: &SiteState, took: Duration) -> Duration {
    let timeout = site.aging.and_then(|aging| aging.strategy.timeout);
    deadline(timeout, took.max(site.load_time.get()))
}

fn deadline(timeout: Option<Duration>, took: Duration) -> Duration {
    let of_last = took.saturating_mul(LONGER_THAN_THE_LAST);
    DEADLINE.max(of_last).max(timeout.unwrap_or_default())
}

/// A load in a task of its own that has no caller, until it ends or its time is over. The clock is that of the watchdog: its
/// runtime may have no timer.
struct Orphan {
    task: AbortHandle,
    site: Arc<SiteState>,
    deadline: Duration,
    until: Nanos,
}

/// Ends the task of a load that nobody waits for from now on, if that takes too long.
pub(super) fn limit(task: AbortHandle, site: &Arc<SiteState>) {
    if task.is_finished() {
        return;
    }
    let deadline = deadline_of(site, Duration::ZERO);
    watchdog::keep(Orphan {
        task,
        site: Arc::clone(site),
        deadline,
        until: after(system_now(), deadline),
    });
}

impl Watched for Orphan {
    fn check(&self, now: Nanos) -> bool {
        if self.task.is_finished() {
            return false;
        }
        let is_in_time = now < self.until;
        if !is_in_time {
            self.site.warn_of_giving_up(self.deadline);
            self.task.abort();
        }
        is_in_time
    }
}

/// A load in a task of its own, while its caller waits for it.
pub(super) struct Attended {
    pub(super) task: AbortHandle,
    pub(super) site: Arc<SiteState>,
}

impl Drop for Attended {
    fn drop(&mut self) {
        limit(self.task.clone(), &self.site);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_nobody_waits_for_may_take_longer_than_the_last_one_and_than_its_timeout() {
        let minutes = Duration::from_mins;
        assert_eq!(deadline(None, Duration::ZERO), minutes(1));
        assert_eq!(deadline(None, minutes(2)), minutes(8));
        assert_eq!(
            deadline(Some(Duration::from_secs(2)), Duration::ZERO),
            minutes(1)
        );
        assert_eq!(deadline(Some(minutes(5)), minutes(1)), minutes(5));
    }
}

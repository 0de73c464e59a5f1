//! One process loads for all, what none has under `fleet`, and a successor always. Who holds the lease of an entry loads it,
//! and the others look for what it has loaded; where it is gone, or takes too long, one of them is the next. Where its load
//! gave nothing, all of them are.

use std::{sync::Arc, time::Duration};

use super::EntryInL2;
use crate::{
    cache::Cache,
    clock::{after, system_now},
    flight::Load,
    l2::{Purpose, Read},
};

/// How long one process may load for all, where neither a `timeout` nor what the last load took says more.
const LEASE: Duration = Duration::from_secs(5);

/// How often the others look whether it has, where callers wait for that.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(80);

/// Whether processes take turns to load this. Not the keys of a batch, each of which would need a lease of its own.
pub(super) fn takes_turns(load: &Load) -> bool {
    load.site().is_fleet || load.is_succession() && !load.site().is_batched
}

/// How long its load takes, as far as that is known.
fn load_time(cache: &Cache, load: &Load) -> Duration {
    let node = cache.flights().l1.get(&load.key().as_ref());
    let terms = node.as_ref().and_then(|node| node.entry().terms());
    let known = terms.map(|terms| terms.life().load_time);
    known
        .filter(|time| !time.is_zero())
        .unwrap_or_else(|| load.site().load_time.get())
}

/// How long a process waits between two looks.
struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    /// Where nobody waits, the first look is worth it once the other has had time to load.
    fn of(load: &Load, took: Duration) -> Self {
        if load.is_succession() {
            let next = took.max(FIRST_PAUSE);
            let longest = next.max(LEASE / 4);
            Self { next, longest }
        } else {
            Self {
                next: FIRST_PAUSE,
                longest: LONGEST_PAUSE,
            }
        }
    }

    /// The next one.
    fn take(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }
}

/// How long a process waits for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    /// How long one of them may load for all, before the next one does.
    lease: Duration,
    /// How long a process waits in all. Then it loads, whoever else does.
    wait: Duration,
}

impl Times {
    /// Of a function whose last load `took` so long, where that is known. After a lease that has run out there is time for
    /// the load of a second process, within the `timeout`; unless a load takes more than half of that.
    fn of(timeout: Option<Duration>, took: Duration) -> Self {
        match timeout {
            None => {
                let lease = LEASE.max(took.saturating_mul(2));
                Self {
                    lease,
                    wait: lease.saturating_mul(2),
                }
            }
            Some(timeout) if took <= timeout / 2 => Self {
                lease: timeout / 2,
                wait: timeout.saturating_sub(took),
            },
            Some(timeout) => Self {
                lease: timeout,
                wait: timeout,
            },
        }
    }
}

impl EntryInL2 {
    /// Waits for another process that loads, if there is one: until its value is there, or it is this process that is to
    /// load. Gives what was read last; this process loads where that is nothing.
    pub(super) async fn wait_for_fleet(
        &self,
        cache: &Cache,
        load: &Arc<Load>,
        mut read: Read,
    ) -> Read {
        let (site, budget) = (load.site(), self.route.l2.budget());
        let timeout = site.aging.and_then(|aging| aging.strategy.timeout);
        let took = load_time(cache, load);
        let (times, mut pauses) = (Times::of(timeout, took), Pauses::of(load, took));
        let until = after(system_now(), times.wait);
        let mut has_waited = false;
        while is_absent(&read) && system_now() < until {
            let pause = pauses.take();
            // For a claim, a pause and a look.
            load.slot
                .pause(pause.saturating_add(budget.saturating_mul(2)));
            match self.claim(&read, times.lease).await {
                Claimed::Won if !has_waited => break,
                Claimed::Won => {
                    // What the one before has loaded may have come behind the last look.
                    read = self.look(cache, load, budget, Purpose::Load).await;
                    if read.found.is_ok() {
                        self.give_back(false);
                    }
                    break;
                }
                Claimed::Lost if sleep_unless_wanted(load, pause).await => break,
                Claimed::Lost => {}
                // It is only a matter of efficiency.
                Claimed::Unknown => break,
            }
            has_waited = true;
            read = self.look(cache, load, budget, Purpose::Load).await;
        }
        read
    }

    /// Claims the lease of those who load under the versions that were read.
    async fn claim(&self, read: &Read, life: Duration) -> Claimed {
        let stamps = read.stamps.as_ref().map(|(stamps, _)| stamps);
        let lease = self.route.lease(stamps);
        self.give_back(false);
        // Before it is known: who is dropped meanwhile gives back what it perhaps has.
        *self.lease.lock() = Some(lease.clone());
        let (claimed, may_hold) = match self.route.claim(&lease, life).await {
            Ok(true) => (Claimed::Won, true),
            Ok(false) => (Claimed::Lost, false),
            Err(error) => (Claimed::Unknown, error.may_have_happened()),
        };
        if !may_hold {
            drop(self.lease.lock().take());
        }
        claimed
    }

    /// Others may load.
    pub(super) fn give_back(&self, is_over: bool) {
        let lease = self.lease.lock().take();
        if let Some(lease) = lease {
            self.route.let_go(lease, is_over);
        }
    }
}

/// Sleeps, for as long as nobody waits where nobody did; gives whether there are callers by then who wait for a value that
/// other processes need not have loaded.
async fn sleep_unless_wanted(load: &Load, mut pause: Duration) -> bool {
    let is_wanted = || !load.site().is_fleet && load.is_waited_for();
    while !pause.is_zero() && !is_wanted() {
        let part = pause.min(LONGEST_PAUSE);
        tokio::time::sleep(part).await;
        pause -= part;
        if load.is_succession() && load.is_waited_for() {
            break;
        }
    }
    is_wanted()
}

/// What became of a claim.
enum Claimed {
    Won,
    Lost,
    /// Perhaps it was won.
    Unknown,
}

/// Whether the shared tier has nothing, and is well.
fn is_absent(read: &Read) -> bool {
    read.found.as_ref().is_err_and(|miss| !miss.is_fault())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_second_process_has_time_to_load_after_a_lease_that_has_run_out() {
        let times = |lease, wait| Times { lease, wait };
        assert_eq!(
            Times::of(None, Duration::ZERO),
            times(5 * SECOND, 10 * SECOND)
        );
        assert_eq!(
            Times::of(None, 20 * SECOND),
            times(40 * SECOND, 80 * SECOND)
        );
        let within = Some(4 * SECOND);
        assert_eq!(
            Times::of(within, Duration::ZERO),
            times(2 * SECOND, 4 * SECOND)
        );
        assert_eq!(Times::of(within, SECOND), times(2 * SECOND, 3 * SECOND));
        assert_eq!(Times::of(within, 3 * SECOND), times(4 * SECOND, 4 * SECOND));
    }
}

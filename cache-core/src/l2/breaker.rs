//! Keeps calls from waiting for a store that keeps failing, and finds out when it is back. One for each direction;
//! time is handed in.
//!
//! Closed, it lets everything through. It opens when failures prevail: at least five in the last ten seconds, and no
//! fewer than the successes since the first of them; or, where there were many successes in between, five in a row
//! and nothing but failures for 50 ms. So a store that dies need not fail as often as it has answered, and one that
//! drops a tenth of a great many operations stays in use, though five of them fail in a row now and then.
//!
//! Open, it lets one probe through at a time, the first after 200 ms. A probe that fails doubles the wait, up to 2 s;
//! after one that succeeds the next may follow at once, and three in a row close the breaker. One would not do: a
//! store that fails every other time would open and close it without end. Nor do three take long: where calls are
//! many they are three round trips, and where calls are few each of them is a probe. On another connection than the one that
//! failed, which may be to another server, the next probe waits for nothing.

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    fmt::Display,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::StoreError;
use crate::{
    clock::{Nanos, after},
    lock::Mutex,
    stats::striped::Striped,
};

/// So few failures say nothing.
const ENOUGH: u64 = 5;
const WINDOW_SECONDS: usize = 10;
/// How long failures in a row go on before they outweigh all successes of the window.
const SILENCE: Duration = Duration::from_millis(50);
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// The least after which a probe that has not reported is taken for lost.
const LAPSE: Duration = Duration::from_secs(1);
/// Successful probes in a row that close the breaker.
const PROBES: u32 = 3;

/// A breaker of one direction.
#[derive(Debug)]
pub(crate) struct Breaker {
    name: Cow<'static, str>,
    /// After this long a probe that has not reported is taken for lost.
    lapse: Duration,
    /// [`CLOSED`], or from when on a probe may be taken; while one is under way, when it lapses. Changes under the
    /// lock of `state`, except that a probe is taken without it.
    gate: AtomicU64,
    /// The connection on which it was last found open.
    connection: AtomicU64,
    /// Of all time: what counts is how many there were between two failures.
    successes: Striped,
    state: Mutex<State>,
}

const CLOSED: Nanos = 0;
const UNKNOWN: u64 = u64::MAX;

/// Whether an operation may go ahead. It is handed back with the outcome; one that is dropped counts for nothing.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Admission {
    Yes,
    No,
    /// As the one that finds out how the store is.
    Probe(Probe),
}

/// A probe, named by when it lapses. It is no copy and reports once, so no two that may still report share a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Probe(Nanos);

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are few breakers, and they are closed"
)]
enum State {
    Closed(Failures),
    Open {
        since: Nanos,
        wait: Duration,
        /// Probes that succeeded since one failed.
        succeeded: u32,
    },
}

impl Breaker {
    /// The log calls it by `name`, such as "reads". An operation takes no longer than `within`.
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, within: Duration) -> Self {
        Self {
            name: name.into(),
            lapse: LAPSE.max(within.saturating_mul(2)),
            gate: AtomicU64::new(CLOSED),
            connection: AtomicU64::new(UNKNOWN),
            successes: Striped::default(),
            state: Mutex::new(State::Closed(Failures::default())),
        }
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.gate.load(Relaxed) != CLOSED
    }

    /// Whether nothing goes through. Where nobody asks, nobody finds out that the store is back: once a probe may be taken,
    /// it counts as well until that has failed.
    pub(crate) fn is_shut(&self, now: Nanos) -> bool {
        let opens = self.gate.load(Relaxed);
        opens != CLOSED && now < opens
    }

    #[inline]
    pub(crate) fn admits(&self, now: Nanos) -> Admission {
        match self.gate.load(Relaxed) {
            CLOSED => Admission::Yes,
            opens if now < opens => Admission::No,
            opens => {
                let lapses = after(now, self.lapse);
                if self.move_gate(opens, lapses) {
                    Admission::Probe(Probe(lapses))
                } else {
                    Admission::No
                }
            }
        }
    }

    /// The same of a store that is asked over the connection of this number.
    #[inline]
    pub(crate) fn admits_over(&self, connection: impl FnOnce() -> u64, now: Nanos) -> Admission {
        match self.admits(now) {
            // A probe that was taken at this very moment has the name that the next one would get.
            Admission::No
                if self.gate.load(Relaxed) != after(now, self.lapse)
                    && self.is_another(connection()) =>
            {
                self.probe_from(now);
                self.admits(now)
            }
            admission => admission,
        }
    }

    #[cold]
    fn is_another(&self, connection: u64) -> bool {
        let before = self.connection.swap(connection, Relaxed);
        before != UNKNOWN && before != connection
    }

    /// What failed was another connection. A probe that is still under way over that one counts for nothing.
    #[cold]
    fn probe_from(&self, now: Nanos) {
        let mut state = self.state.lock();
        if let State::Open {
            wait, succeeded, ..
        } = &mut *state
        {
            (*wait, *succeeded) = (FIRST_WAIT, 0);
            self.gate.store(now.max(1), Relaxed);
        }
    }

    #[inline]
    pub(crate) fn succeeded(&self, admission: Admission, now: Nanos) {
        match admission {
            Admission::Yes => self.successes.add_one(),
            Admission::No => {}
            Admission::Probe(probe) => self.probe_succeeded(&probe, now),
        }
    }

    pub(crate) fn failed(&self, admission: Admission, now: Nanos, reason: &dyn Display) {
        match admission {
            Admission::Yes => self.count_failure(now, reason),
            Admission::No => {}
            Admission::Probe(probe) => self.probe_failed(&probe, now),
        }
    }

    /// What an answer to a read says of the store.
    pub(crate) fn count_read<T>(
        &self,
        admission: Admission,
        got: &Result<T, StoreError>,
        now: Nanos,
    ) {
        match got {
            Ok(_) | Err(StoreError::OtherType) => self.succeeded(admission, now),
            // So many at once say nothing of the server, and a slot nothing of the others. One that is full can be read.
            Err(StoreError::Busy | StoreError::Moving | StoreError::ReadOnly(_)) => {}
            Err(error) => self.failed(admission, now, error),
        }
    }

    fn count_failure(&self, now: Nanos, reason: &dyn Display) {
        let mut state = self.state.lock();
        // What began before the breaker opened and fails afterwards is no news.
        let State::Closed(failures) = &mut *state else {
            return;
        };
        let Some(failures) = failures.add(now, self.successes.sum()) else {
            return;
        };
        *state = State::Open {
            since: now,
            wait: FIRST_WAIT,
            succeeded: 0,
        };
        self.gate.store(after(now, FIRST_WAIT), Relaxed);
        drop(state);
        tracing::warn!(
            direction = &*self.name,
            failures,
            %reason,
            "Redis keeps failing: calls skip it until it answers again"
        );
    }

    #[cold]
    fn probe_failed(&self, probe: &Probe, now: Nanos) {
        let mut state = self.state.lock();
        if let State::Open {
            wait, succeeded, ..
        } = &mut *state
        {
            let longer = (*wait * 2).min(LONGEST_WAIT);
            if self.move_gate(probe.0, after(now, longer)) {
                *wait = longer;
                *succeeded = 0;
            }
        }
    }

    #[cold]
    fn probe_succeeded(&self, probe: &Probe, now: Nanos) {
        let mut state = self.state.lock();
        let State::Open {
            since, succeeded, ..
        } = &mut *state
        else {
            return;
        };
        if *succeeded + 1 < PROBES {
            // A clock may begin at 0, which would say closed.
            if self.move_gate(probe.0, now.max(1)) {
                *succeeded += 1;
            }
            return;
        }
        if !self.move_gate(probe.0, CLOSED) {
            return;
        }
        self.connection.store(UNKNOWN, Relaxed);
        let open_for = Duration::from_nanos(now.saturating_sub(*since));
        *state = State::Closed(Failures::default());
        drop(state);
        tracing::info!(
            direction = &*self.name,
            ?open_for,
            "Redis answers again: calls use it"
        );
    }

    /// Fails where somebody else was faster: a probe that has lapsed is told apart from its successor by this.
    fn move_gate(&self, from: Nanos, to: Nanos) -> bool {
        self.gate
            .compare_exchange(from, to, Relaxed, Relaxed)
            .is_ok()
    }
}

/// The failures of a closed breaker. Successes are only looked at when something fails.
#[derive(Debug, Default)]
struct Failures {
    seconds: [Second; WINDOW_SECONDS],
    row: Row,
}

/// The failures of one second; none where it was never used.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    number: u64,
    failures: u64,
    successes_before: u64,
}

/// Failures without a success in between.
#[derive(Debug, Default)]
struct Row {
    since: Nanos,
    failures: u64,
    successes_before: u64,
}

impl Failures {
    /// Counts one, after so many successes of all time. Gives how many there are in the window when that is too many.
    fn add(&mut self, now: Nanos, successes: u64) -> Option<u64> {
        let number = now / 1_000_000_000;
        let second = &mut self.seconds[(number % WINDOW_SECONDS as u64) as usize];
        if second.failures == 0 || second.number != number {
            *second = Second {
                number,
                failures: 0,
                successes_before: successes,
            };
        }
        second.failures += 1;
        if self.row.failures == 0 || self.row.successes_before != successes {
            self.row = Row {
                since: now,
                failures: 0,
                successes_before: successes,
            };
        }
        self.row.failures += 1;

        let in_window = |second: &&Second| {
            second.failures > 0 && number.saturating_sub(second.number) < WINDOW_SECONDS as u64
        };
        let window = || self.seconds.iter().filter(in_window);
        let failures: u64 = window().map(|second| second.failures).sum();
        let before = window().map(|second| second.successes_before).min();
        let prevail = failures >= successes.saturating_sub(before.unwrap_or(successes));
        let is_silent = self.row.failures >= ENOUGH && now >= after(self.row.since, SILENCE);
        (failures >= ENOUGH && (prevail || is_silent)).then_some(failures)
    }
}

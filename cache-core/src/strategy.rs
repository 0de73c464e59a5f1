//! What becomes of a value as it grows old, and of its callers when its load is slow or fails: a pure function of the
//! strategies, the value's life, and what is known of it.
//!
//! A value is fresh until its `ttl`, then stale, until no strategy has a use for it. That it is old is the only reason to
//! serve a stale one: what an event made void is served to nobody, unless the function says `stale_if_invalidated`.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::clock::{Nanos, after, nanos};

/// After a load that failed, a stale value stands in for so long before the next one is tried.
pub(crate) const THROTTLE: Duration = Duration::from_secs(10);

/// How many times its load may take `early_expiration` looks ahead: a draw that looks further comes once in 10^17.
const FARTHEST_DRAW: u64 = 40;

/// Processes that have a value of one age refresh it at different times, so that the first does it for all: over this
/// part of what is left of its life.
const SPREAD: f64 = 0.5;

/// The options that say what becomes of a value as it grows old. All of them are off until they are said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strategy {
    pub(crate) early: Early,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    pub(crate) serves_unproven: bool,
    pub(crate) stale_if_invalidated: Duration,
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
}

/// Whether a fresh value is loaded anew before it is stale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Early {
    Never,
    /// Once it has lived for this part of its time.
    From(f64),
    /// With a probability that grows with what its load costs, and as its end comes near.
    ByChance,
}

/// Why the last load of a successor gave none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Failed,
    Late,
}

impl Strategy {
    /// Serves what is fresh, else loads and waits for it.
    #[must_use]
    #[allow(
        clippy::new_without_default,
        reason = "only expansions make strategies, in statics"
    )]
    pub const fn new() -> Self {
        Self {
            early: Early::Never,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            serves_unproven: false,
            stale_if_invalidated: Duration::ZERO,
            soft_timeout: None,
            timeout: None,
        }
    }

    /// The strategy `refresh_ahead`: a value that has lived for this part of its time is served, and loaded anew in the
    /// background.
    #[must_use]
    pub const fn refresh_ahead(mut self, part: f64) -> Self {
        self.early = Early::From(part);
        self
    }

    /// The strategy `early_expiration`.
    #[must_use]
    pub const fn early_expiration(mut self) -> Self {
        self.early = Early::ByChance;
        self
    }

    /// The strategy `stale_while_revalidate`.
    #[must_use]
    pub const fn stale_while_revalidate(mut self, time: Duration) -> Self {
        self.stale_while_revalidate = time;
        self
    }

    /// The strategy `stale_if_error`.
    #[must_use]
    pub const fn stale_if_error(mut self, time: Duration) -> Self {
        self.stale_if_error = time;
        self
    }

    /// The strategy `stale_if_error(.., unproven)`: also a value of which it is not known whether an event made it void.
    #[must_use]
    pub const fn unproven(mut self) -> Self {
        self.serves_unproven = true;
        self
    }

    /// The strategy `stale_if_invalidated`.
    #[must_use]
    pub const fn stale_if_invalidated(mut self, time: Duration) -> Self {
        self.stale_if_invalidated = time;
        self
    }

    /// The option `soft_timeout`.
    #[must_use]
    pub const fn soft_timeout(mut self, time: Duration) -> Self {
        self.soft_timeout = Some(time);
        self
    }

    /// The option `timeout`.
    #[must_use]
    pub const fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// Whether callers wait for a load no longer than some time.
    pub(crate) fn has_limit(&self) -> bool {
        self.soft_timeout.is_some() || self.timeout.is_some()
    }

    /// For how long after it was fresh a value is kept.
    pub(crate) fn grace(&self) -> Duration {
        self.stale_while_revalidate.max(self.stale_if_error)
    }

    /// Until when a value is served without a thought. `spread`, from 0 to 1, is another one in each process.
    pub(crate) fn quiet_until(&self, life: &Life, spread: f64) -> Nanos {
        match self.early {
            Early::Never => life.fresh_until,
            Early::From(part) => {
                let part = part + (1.0 - part) * SPREAD * spread;
                life.created.saturating_add(part_of(life.span(), part))
            }
            Early::ByChance => {
                let horizon = nanos(life.load_time).saturating_mul(FARTHEST_DRAW);
                life.fresh_until.saturating_sub(horizon)
            }
        }
    }

    /// What is done with a value at some moment of its life.
    pub(crate) fn decide(
        &self,
        life: &Life,
        known: Validity,
        now: Nanos,
        moment: Moment,
    ) -> Decision {
        let is_stale_by_less_than =
            |grace| now < after(life.fresh_until, grace).min(life.kept_until);
        let may_stand_in = match known {
            Validity::Valid => true,
            Validity::Unproven => self.serves_unproven,
            Validity::Invalidated { .. } => false,
        };
        let stands_in = may_stand_in
            && !self.stale_if_error.is_zero()
            && is_stale_by_less_than(self.stale_if_error);
        let Moment::Read {
            quiet_until,
            draw,
            is_refreshing,
            is_throttled,
        } = moment
        else {
            return if stands_in {
                Decision::Serve
            } else {
                Decision::Decline
            };
        };
        let is_fresh = now < life.fresh_until;
        let is_served = match known {
            Validity::Valid => is_stale_by_less_than(self.stale_while_revalidate),
            Validity::Unproven => false,
            Validity::Invalidated { ago } => ago < self.stale_if_invalidated && is_fresh,
        };
        if !is_served {
            return if is_throttled && stands_in {
                Decision::Serve
            } else {
                Decision::Decline
            };
        }
        let is_due =
            known != Validity::Valid || !is_fresh || self.is_due(life, now, quiet_until, draw);
        // What is void stands in for nothing, and is not to be replaced any later for what was put off before.
        let is_put_off = is_throttled && may_stand_in;
        if is_due && !is_refreshing && !is_put_off {
            Decision::ServeAndRefresh
        } else {
            Decision::Serve
        }
    }

    /// Whether a fresh value is to be refreshed.
    fn is_due(&self, life: &Life, now: Nanos, quiet_until: Nanos, draw: f64) -> bool {
        match self.early {
            Early::Never => false,
            Early::From(_) => now >= quiet_until,
            Early::ByChance => expires_early(life, now, draw),
        }
    }
}

/// `XFetch` with a beta of 1: Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention",
/// VLDB 2015. `draw` is above 0, and at most 1.
fn expires_early(life: &Life, now: Nanos, draw: f64) -> bool {
    let ahead = life.load_time.as_secs_f64() * -draw.ln();
    let ahead = Duration::try_from_secs_f64(ahead).unwrap_or(Duration::MAX);
    after(now, ahead) >= life.fresh_until
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a lifetime, precise to a microsecond in a century"
)]
fn part_of(span: Nanos, part: f64) -> Nanos {
    (span as f64 * part.clamp(0.0, 1.0)) as Nanos
}

/// When a value was loaded, how long that took, until when it is fresh, and until when it may be served at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) created: Nanos,
    pub(crate) fresh_until: Nanos,
    pub(crate) kept_until: Nanos,
    pub(crate) load_time: Duration,
}

impl Life {
    fn span(&self) -> Nanos {
        self.fresh_until.saturating_sub(self.created)
    }
}

/// What is known of a value besides its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    Valid,
    /// Nobody can say whether an event has made it void.
    Unproven,
    /// An event made it void.
    Invalidated {
        /// How long ago; the longest time where that is not known.
        ago: Duration,
    },
}

/// When somebody asks what to do with a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Moment {
    /// A call finds it.
    Read {
        /// Until when it is served without a thought.
        quiet_until: Nanos,
        /// A random number above 0, and at most 1.
        draw: f64,
        /// Its successor is being loaded.
        is_refreshing: bool,
        /// A load of its successor has just failed.
        is_throttled: bool,
    },
    /// A load failed in a way that it may stand in for, or takes longer than `soft_timeout` or `timeout`.
    Missed,
}

/// What is done with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Serve,
    /// And load its successor in the background.
    ServeAndRefresh,
    /// Load, and wait for that; where that has failed, is late or timed out, let the caller know.
    Decline,
}

//! How a cache is: what a readiness probe asks, and the gauges of `export`.

use std::{fmt, time::Duration};

use crate::{cache::Cache, clock::system_now, l2::Condition};

/// The state of a cache, from [`Cache::health`]. [`Display`](fmt::Display) writes it in one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// It was not [closed](Cache::close).
    pub is_open: bool,
    /// The shared tier; `None` if the cache has none.
    pub redis: Option<RedisHealth>,
}

/// The state of a cache's shared tier.
///
/// In a cluster each primary counts as a server; otherwise there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisHealth {
    /// How many servers are known; 0 until the cache has learned the primaries of its cluster.
    pub servers: u64,
    /// Servers that are connected.
    pub connected: u64,
    /// Servers that are not read, because they keep failing. After two seconds at most a server is due to be tried
    /// again; from then on it does not count here until the attempt fails, even if no call makes the attempt.
    pub reads_stopped: u64,
    /// Servers that are not written to, because they keep failing or are full. They are tried again as for reads.
    pub writes_stopped: u64,
    /// The time since this process last knew that it had heard all changes by other processes. While the listening
    /// connection works, it is less than the time between two questions. `None` before the first connection.
    pub unheard_for: Option<Duration>,
    /// The limit for `unheard_for`: the [`staleness_bound`](crate::CacheBuilder::staleness_bound).
    pub bound: Duration,
    /// Emissions that are not acknowledged yet. This process does not read what depends on them from Redis.
    pub pending: u64,
    /// Changes of entries that wait to be written.
    pub unsent: u64,
}

impl RedisHealth {
    /// Whether changes by other processes are heard of within the bound.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.unheard_for.is_some_and(|time| time <= self.bound)
    }

    /// Whether all servers are connected and used, and other processes are heard.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let is_used = self.reads_stopped == 0 && self.writes_stopped == 0;
        self.servers > 0 && self.connected == self.servers && is_used && self.is_listening()
    }
}

impl Health {
    /// Whether the process can take requests, as far as its cache goes: it is not closed. Without its Redis a cache
    /// still answers, from memory and by loading. If that is too much for your database, check
    /// [`is_degraded`](Self::is_degraded) as well.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_open
    }

    /// Whether it has a Redis that is not reached or keeps failing, or over which other processes are not heard.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.redis.as_ref().is_some_and(|redis| !redis.is_well())
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.is_ready(), self.is_degraded()) {
            (false, _) => "closed",
            (true, true) => "ready, degraded",
            (true, false) => "ready",
        };
        match &self.redis {
            None => write!(f, "{state}: memory alone"),
            Some(redis) => write!(f, "{state}: {redis}"),
        }
    }
}

impl fmt::Display for RedisHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.connected, self.servers) {
            (0, _) => write!(f, "no connection to Redis")?,
            (1, 1) => write!(f, "connected to Redis")?,
            (connected, servers) => write!(f, "connected to {connected} of {servers} servers")?,
        }
        for (stopped, direction) in [
            (self.reads_stopped, "reads"),
            (self.writes_stopped, "writes"),
        ] {
            if stopped > 0 {
                write!(f, ", {direction} of {stopped} stopped as they keep failing")?;
            }
        }
        match self.unheard_for {
            None => write!(f, ", other processes never heard")?,
            Some(time) if self.is_listening() => {
                write!(f, ", other processes heard {} ms ago", time.as_millis())?;
            }
            Some(time) => write!(f, ", other processes unheard for {} ms", time.as_millis())?,
        }
        if self.pending > 0 {
            write!(f, ", {} events not acknowledged", self.pending)?;
        }
        if self.unsent > 0 {
            write!(f, ", {} changes on their way", self.unsent)?;
        }
        Ok(())
    }
}

impl Cache {
    /// The state of the cache, from what it knows. It asks nobody, and may be called from anywhere.
    ///
    /// A readiness probe answers by [`Health::is_ready`]; [`guide::metrics`](crate::guide::metrics) has one.
    ///
    /// ```
    /// # use cache_core::Cache;
    /// let health = Cache::current().health();
    /// assert!(health.is_ready());
    /// assert_eq!(health.to_string(), "ready: memory alone");
    /// ```
    #[must_use]
    pub fn health(&self) -> Health {
        let redis = self.shared().map(|shared| {
            let Condition {
                servers,
                connected,
                reads_stopped,
                writes_stopped,
            } = shared.condition();
            let coherence = self.coherence();
            RedisHealth {
                servers: servers as u64,
                connected: connected as u64,
                reads_stopped: reads_stopped as u64,
                writes_stopped: writes_stopped as u64,
                unheard_for: coherence.unheard_for(system_now()),
                bound: coherence.bounds().staleness,
                pending: coherence.stats().pending,
                unsent: shared.unsent() as u64,
            }
        });
        Health {
            is_open: !self.is_closed(),
            redis,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> RedisHealth {
        RedisHealth {
            servers: 1,
            connected: 1,
            unheard_for: Some(Duration::from_millis(20)),
            bound: Duration::from_secs(2),
            ..RedisHealth::default()
        }
    }

    fn said(change: impl FnOnce(&mut RedisHealth)) -> String {
        let mut redis = well();
        change(&mut redis);
        let health = Health {
            is_open: true,
            redis: Some(redis),
        };
        health.to_string()
    }

    #[test]
    fn each_trouble_is_said_and_degrades() {
        let heard = "other processes heard 20 ms ago";
        assert_eq!(said(|_| {}), format!("ready: connected to Redis, {heard}"));
        assert_eq!(
            said(|redis| redis.connected = 0),
            format!("ready, degraded: no connection to Redis, {heard}")
        );
        assert_eq!(
            said(|redis| (redis.servers, redis.connected, redis.reads_stopped) = (3, 2, 1)),
            format!(
                "ready, degraded: connected to 2 of 3 servers, reads of 1 stopped as they keep failing, {heard}"
            )
        );
        assert_eq!(
            said(|redis| redis.unheard_for = Some(Duration::from_secs(3))),
            "ready, degraded: connected to Redis, other processes unheard for 3000 ms"
        );
        assert_eq!(
            said(|redis| redis.unheard_for = None),
            "ready, degraded: connected to Redis, other processes never heard"
        );
    }

    #[test]
    fn what_is_on_its_way_is_said_and_degrades_nothing() {
        assert_eq!(
            said(|redis| (redis.pending, redis.unsent) = (2, 5)),
            "ready: connected to Redis, other processes heard 20 ms ago, 2 events not acknowledged, 5 changes on their way"
        );
    }

    #[test]
    fn a_cluster_that_nobody_knows_yet_is_not_well() {
        assert!(
            !RedisHealth {
                servers: 0,
                connected: 0,
                ..well()
            }
            .is_well()
        );
    }
}

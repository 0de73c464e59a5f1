//! Keeps one connection up, in a task of its own: connects, asks at every beat whether it is alive (twice a second or more;
//! a listening connection four times in the bound, at least once a second), replaces it, and logs every change once.

use std::{
    future::{Future, pending, poll_fn},
    hash::{BuildHasher, RandomState},
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use super::{
    address::{Location, Node},
    handshake::{self, Failure, SignedIn},
    link::{Link, Live, Status},
    pulse::{self, PulseFault},
};
use crate::l2::Lineage;

/// The longest beat of a connection that does not listen.
const CHECK_EVERY: Duration = Duration::from_millis(500);
const CHECK_WITHIN: Duration = Duration::from_millis(250);
const MOST_MISSES: u32 = 2;
/// How long connecting may take, until the server has said what time it is.
const ATTEMPT: Duration = Duration::from_secs(1);
const SHORTEST_WAIT: Duration = Duration::from_millis(40);
const LONGEST_WAIT: Duration = Duration::from_millis(1_500);
/// As [`ATTEMPT`], where sentinels or a cluster name the server: while it is no longer there, they elect another one.
const ATTEMPT_AT_ELECTED: Duration = Duration::from_millis(500);
const LONGEST_WAIT_FOR_ELECTION: Duration = Duration::from_millis(400);
/// While it may well be that sentinels are about to elect one: so many attempts take a minute about. And how often they are
/// asked while the one that they name does not answer.
const LONGEST_WAIT_FOR_SENTINELS: Duration = Duration::from_millis(100);
const ATTEMPTS_WHILE_ELECTING: u32 = 600;
/// How old what sentinels have said may be, for whoever looks for the primary.
const FRESH_ENOUGH: Duration = Duration::from_millis(20);
/// How often they are asked whether it is still the same.
const ELECTION_EVERY: Duration = Duration::from_secs(1);
/// Attempts in a row, which take some seconds.
const DEAF_AFTER: u32 = 8;
/// A connection that lived so long was a good one: the next is tried soon.
const SETTLED: Duration = Duration::from_secs(1);

/// How often a connection is asked whether it is alive.
struct Rhythm {
    first: Duration,
    every: Duration,
    within: Duration,
    most_misses: u32,
}

impl Rhythm {
    fn of(link: &Link) -> Self {
        if let Some(ear) = &link.ear {
            return Self {
                first: Duration::ZERO,
                every: ear.beat(),
                within: ear.patience(),
                most_misses: 1,
            };
        }
        let every = link
            .beat()
            .map_or(CHECK_EVERY, |beat| beat.min(CHECK_EVERY));
        Self {
            first: every,
            every,
            within: CHECK_WITHIN,
            most_misses: MOST_MISSES,
        }
    }
}

pub(super) struct Supervisor {
    link: Arc<Link>,
    epoch: u64,
    /// Attempts since there was a good connection.
    attempts: u32,
    outage: Option<Instant>,
    /// The refusal that was last told.
    told: Option<String>,
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.link.leave(self.epoch);
    }
}

impl Supervisor {
    pub(super) fn new(link: Arc<Link>, epoch: u64) -> Self {
        Self {
            link,
            epoch,
            attempts: 0,
            outage: None,
            told: None,
        }
    }

    /// Runs until another supervisor is in charge.
    pub(super) async fn run(mut self) {
        while let Some(live) = self.connect().await {
            self.look_after(&live).await;
            if !self.link.sign_of_life(self.epoch) {
                return;
            }
            self.tell_loss();
            if live.age() > SETTLED {
                self.attempts = 1;
            }
        }
    }

    /// A new connection; nothing when another supervisor is in charge.
    async fn connect(&mut self) -> Option<Arc<Live>> {
        loop {
            if self.attempts > 0 {
                self.wait().await;
            }
            if !self.link.sign_of_life(self.epoch) {
                return None;
            }
            self.attempts = self.attempts.saturating_add(1);
            match self.attempt().await {
                Ok(live) => return Some(live),
                Err(failure) => self.tell_failure(failure),
            }
            self.link.sign_of_life(self.epoch);
        }
    }

    async fn attempt(&mut self) -> Result<Arc<Live>, Failure> {
        let link = Arc::clone(&self.link);
        let electorate = match &link.address.place {
            Location::Node(node) => return self.attempt_at(node, ATTEMPT).await,
            Location::Member(node, _) => return self.attempt_at(node, ATTEMPT_AT_ELECTED).await,
            Location::Elected(electorate) => electorate,
        };
        let mut failure = None;
        for node in electorate.poll(FRESH_ENOUGH).await?.candidates() {
            let attempt = self.attempt_at(&node, ATTEMPT_AT_ELECTED);
            let another = electorate.until_another(&node, LONGEST_WAIT_FOR_SENTINELS);
            let Some(attempted) = unless(attempt, another).await else {
                // That one is to be tried at once.
                self.attempts = 0;
                let why = format!("sentinels name another primary than {node} by now");
                return Err(Failure::Unreachable(why));
            };
            match attempted {
                Ok(live) => return Ok(live),
                // That of the one that most of them name.
                Err(why) => failure = failure.or(Some(why)),
            }
            self.link.sign_of_life(self.epoch);
        }
        Err(failure.unwrap_or_else(|| Failure::Unreachable("no sentinel names a primary".into())))
    }

    async fn attempt_at(&mut self, node: &Node, within: Duration) -> Result<Arc<Live>, Failure> {
        let (generation, ended) = self.link.announce();
        let link = &self.link;
        let place = (node, &*link.address);
        let opening = handshake::open(place, link.wiring, link.ear.as_ref(), ended);
        let opened = timeout(within, opening).await.unwrap_or_else(|_| {
            let within = within.as_secs_f32();
            Err(Failure::Unreachable(format!(
                "no answer from {node} within {within} s"
            )))
        })?;
        self.tell_connected(&opened);
        self.link.clock.restart(opened.pulse.sample);
        let live = Arc::new(Live::new(generation, node.clone(), opened));
        self.link.install(self.epoch, &live);
        self.link.status.send_replace(Status::Connected);
        Ok(live)
    }

    /// Until the next attempt may be made.
    async fn wait(&self) {
        let most = self.longest_wait();
        let wait = wait_before(self.attempts, most);
        match &self.link.address.place {
            Location::Elected(electorate) => electorate.until_elected(wait).await,
            Location::Node(_) | Location::Member(..) => sleep(wait).await,
        }
    }

    fn longest_wait(&self) -> Duration {
        match &self.link.address.place {
            Location::Node(_) => LONGEST_WAIT,
            Location::Elected(_) if self.attempts < ATTEMPTS_WHILE_ELECTING => {
                LONGEST_WAIT_FOR_SENTINELS
            }
            Location::Elected(_) | Location::Member(..) => LONGEST_WAIT_FOR_ELECTION,
        }
    }

    /// Returns when the connection is no longer what callers are given.
    async fn look_after(&self, live: &Live) {
        unless(self.ask_whether_alive(live), self.ask_whether_elected(live)).await;
    }

    /// Returns when sentinels have another server for the primary than that of the connection. It may go on for a while,
    /// and not know.
    async fn ask_whether_elected(&self, live: &Live) {
        let Location::Elected(electorate) = &self.link.address.place else {
            return pending().await;
        };
        electorate.until_another(live.node(), ELECTION_EVERY).await;
        let why = "Sentinel has another server for the primary";
        self.link.give_up(live, why);
    }

    async fn ask_whether_alive(&self, live: &Live) {
        let (mut pause, mut misses) = (Rhythm::of(&self.link).first, 0);
        while self.link.is_current(live) {
            // Woken early or not, the check below tells.
            let _ = timeout(pause, self.link.changed.notified()).await;
            // Somebody may have begun to listen.
            let rhythm = Rhythm::of(&self.link);
            pause = rhythm.every;
            if !self.link.sign_of_life(self.epoch) || !self.link.is_current(live) {
                return;
            }
            let mut connection = live.connection();
            let is_member = self.link.address.cluster().is_some();
            match timeout(rhythm.within, pulse::feel(&mut connection, is_member)).await {
                Ok(Ok(pulse)) => {
                    misses = 0;
                    self.link.clock.observe(pulse.sample);
                    self.link.prove(live, pulse.sent, pulse.origin);
                }
                Ok(Err(PulseFault::Broken)) => self.link.give_up(live, "the connection broke"),
                Ok(Err(PulseFault::Down(_) | PulseFault::Refused(..))) | Err(_) => {
                    misses += 1;
                    if misses == rhythm.most_misses {
                        self.link.give_up(live, "it does not answer");
                    }
                }
            }
        }
    }

    fn is_quiet(&self) -> bool {
        !self.link.is_vocal.load(Relaxed)
    }

    /// A channel may be refused where all else is not.
    fn tells_refusals(&self) -> bool {
        !self.is_quiet() || self.link.ear.is_some()
    }

    /// It fails again and again, and the connection for questions does not.
    fn is_deaf(&self) -> bool {
        let ear = self.link.ear.as_ref();
        self.attempts >= DEAF_AFTER && ear.is_some_and(|ear| ear.asked().is_some())
    }

    fn tell_loss(&mut self) {
        self.outage = Some(Instant::now());
        let (server, why) = (&self.link.address, self.link.loss());
        if self.is_quiet() {
            tracing::debug!(%server, why, "lost a connection to Redis");
        } else {
            tracing::warn!(%server, why, "lost the connection to Redis: calls work without it");
        }
    }

    fn tell_failure(&mut self, failure: Failure) {
        self.outage.get_or_insert_with(Instant::now);
        let server = &self.link.address;
        match &failure {
            Failure::Refused(why) if self.tells_refusals() && self.told.as_ref() != Some(why) => {
                tracing::warn!(%server, why, "Redis refuses the connection: still trying");
                self.told = Some(why.clone());
            }
            Failure::Unreachable(why) if self.told.is_none() && self.is_deaf() => {
                tracing::warn!(
                    %server,
                    why,
                    "Redis answers, but no connection that listens lasts: until one does, processes do not hear each other's \
                     invalidations, and ask instead",
                );
                self.told = Some(why.clone());
            }
            Failure::Refused(why) | Failure::Unreachable(why) => {
                tracing::debug!(%server, why, "no connection to Redis");
            }
        }
        self.link.status.send_replace(Status::Failing(failure));
    }

    fn tell_connected(&mut self, opened: &SignedIn) {
        let server = &self.link.address;
        self.told = None;
        match self.outage.take() {
            Some(since) if !self.is_quiet() => {
                let outage = since.elapsed();
                tracing::info!(%server, ?outage, "connected to Redis again");
            }
            _ => tracing::debug!(%server, name = self.link.wiring.name, "connected to Redis"),
        }
        let is_hidden = opened.pulse.origin.lineage == Lineage::UNKNOWN;
        if (opened.doubt.is_none() && !is_hidden) || self.link.is_doubted.swap(true, Relaxed) {
            return;
        }
        if let Some(why) = &opened.doubt {
            tracing::warn!(%server, why, "the version of Redis is unknown: the cache needs 6.2 or later");
        }
        if is_hidden {
            tracing::warn!(
                %server,
                "Redis does not say which history of writes it has (`INFO replication` without a `master_replid`): \
                 a value that was invalidated just before a failover may come back after it, until its `ttl` is over",
            );
        }
    }
}

/// What comes of the first, unless the other one is over before.
async fn unless<T>(first: impl Future<Output = T>, other: impl Future<Output = ()>) -> Option<T> {
    let (mut first, mut other) = (pin!(first), pin!(other));
    poll_fn(|cx| match first.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => other.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// Between the half and the whole of a span that doubles, so that many clients of a server that comes
/// back do not come all at once.
fn wait_before(attempt: u32, most: Duration) -> Duration {
    let longest = SHORTEST_WAIT
        .saturating_mul(1 << attempt.saturating_sub(1).min(6))
        .min(most);
    let half = longest / 2;
    // The keys of a new one are random enough to spread clients.
    let random = RandomState::new().hash_one(attempt);
    half + half * u32::try_from(random % 1_024).unwrap_or(0) / 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_from_20_ms_to_a_second_and_a_half() {
        for _ in 0..100 {
            let first = wait_before(1, LONGEST_WAIT);
            assert!(first >= Duration::from_millis(20) && first <= SHORTEST_WAIT);
            for attempt in [7, 100, u32::MAX] {
                let last = wait_before(attempt, LONGEST_WAIT);
                assert!(last >= LONGEST_WAIT / 2 && last <= LONGEST_WAIT);
            }
        }
    }
}

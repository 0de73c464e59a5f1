//! A service that three sentinels watch: a primary and two replicas.

use std::{
    fmt::Write,
    thread,
    time::{Duration, Instant},
};

use crate::server::Server;

/// How long an election may take on a busy machine, where votes are split again and again.
pub const ELECTION: Duration = Duration::from_mins(5);

/// As the sentinels call it.
pub const SERVICE: &str = "mymaster";

/// Real servers, and real sentinels that watch them. A failover takes about two seconds.
#[derive(Debug)]
pub struct Watched {
    /// The first one is the primary at first.
    pub servers: Vec<Server>,
    /// What says who is.
    pub sentinels: Vec<Server>,
}

impl Watched {
    /// A service that is complete: each sentinel knows of all others, and of both replicas.
    ///
    /// # Panics
    ///
    /// When a server does not start, or they do not find each other within [`ELECTION`].
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[], ("", &[]))
    }

    /// The same, with arguments for each server, and settings and arguments for each sentinel besides those that make it
    /// watch.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn with(arguments: &[&str], (settings, of_sentinels): (&str, &[&str])) -> Self {
        let primary = Server::with(arguments);
        let (host, port) = (
            primary.address().to_string(),
            primary.announced().to_string(),
        );
        let of = [
            "--replicaof",
            &host,
            &port,
            "--repl-diskless-sync-delay",
            "0",
        ];
        let arguments = [arguments, &of].concat();
        let servers = vec![primary, Server::with(&arguments), Server::with(&arguments)];
        let settings = format!(
            "sentinel monitor {SERVICE} {host} {port} 2\n\
             sentinel down-after-milliseconds {SERVICE} 500\n\
             sentinel failover-timeout {SERVICE} 3000\n{settings}"
        );
        let sentinels: Vec<_> = (0..3)
            .map(|_| Server::sentinel(&settings, of_sentinels))
            .collect();
        for sentinel in &sentinels {
            // Those before 7.0 do not know it, and take longer. Not the period of pings: a replica that has not answered for
            // five of them is none to be promoted.
            sentinel.command(&[
                "SENTINEL",
                "DEBUG",
                "ask-period",
                "50",
                "info-period",
                "100",
                "publish-period",
                "50",
                "election-timeout",
                "500",
            ]);
        }
        let watched = Self { servers, sentinels };
        watched.wait_for("a whole service", || {
            watched.sentinels.iter().all(|sentinel| {
                let usable = sentinel.command(&["SENTINEL", "CKQUORUM", SERVICE]);
                let replicas = sentinel.command(&["SENTINEL", "REPLICAS", SERVICE]);
                usable.starts_with("OK 3 usable")
                    && replicas.matches("master-link-status\nok").count() == 2
            })
        });
        watched
    }

    /// Where clients find it.
    #[must_use]
    pub fn url(&self) -> String {
        let mut url = "redis-sentinel://".to_owned();
        for (place, sentinel) in self.sentinels.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let (host, port) = (sentinel.address(), sentinel.port());
            write!(url, "{comma}{host}:{port}").expect("a string takes all");
        }
        url + "/" + SERVICE
    }

    /// Which server most sentinels name.
    ///
    /// # Panics
    ///
    /// When they do not agree within [`ELECTION`], or name none of the servers.
    #[must_use]
    pub fn primary(&self) -> usize {
        let mut elected = None;
        self.wait_for("a majority", || {
            elected = self.elected();
            elected.is_some()
        });
        elected.expect("it was waited for")
    }

    fn elected(&self) -> Option<usize> {
        let named = self.sentinels.iter().map(|sentinel| {
            let named = sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE]);
            named.lines().nth(1).map(str::to_owned)
        });
        let named: Vec<_> = named.collect();
        self.servers.iter().position(|server| {
            let port = Some(server.announced().to_string());
            named.iter().filter(|named| **named == port).count() >= 2
        })
    }

    /// Waits until another server than this is the primary and knows it, and gives which one.
    ///
    /// # Panics
    ///
    /// When there is none within [`ELECTION`].
    #[must_use]
    pub fn wait_for_another_than(&self, former: usize) -> usize {
        let mut next = None;
        self.wait_for("another primary", || {
            next = self.is_led_by_another_than(former);
            next.is_some()
        });
        next.expect("it was waited for")
    }

    fn is_led_by_another_than(&self, former: usize) -> Option<usize> {
        let next = self.elected().filter(|next| *next != former)?;
        let role = self.servers[next].ask(&["ROLE"]).ok()?;
        role.starts_with("master").then_some(next)
    }

    /// Has the sentinels make another server the primary, while the former one is well.
    ///
    /// # Panics
    ///
    /// When none of them does within [`ELECTION`].
    pub fn fail_over(&self) {
        let former = self.primary();
        for sentinel in &self.sentinels {
            // Those that have not heard of it by then undo it.
            sentinel.command(&["SENTINEL", "DEBUG", "publish-period", "1000"]);
        }
        // One that a sentinel gives up, as the next primary did not follow in time, is begun again.
        let mut begun: Option<Instant> = None;
        self.wait_for("another primary", || {
            if begun.is_none_or(|begun| begun.elapsed() > ELECTION / 30) {
                self.sentinels[0].command(&["SENTINEL", "FAILOVER", SERVICE]);
                begun = Some(Instant::now());
            }
            self.is_led_by_another_than(former).is_some()
        });
    }

    /// Waits for something that the sentinels bring about.
    ///
    /// # Panics
    ///
    /// When it is not there within [`ELECTION`].
    pub fn wait_for(&self, what: &str, mut is_there: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_there() {
            let log = || self.sentinels.first().map(Server::log);
            assert!(begun.elapsed() < ELECTION, "no {what}: {:?}", log());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

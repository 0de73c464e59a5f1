//! A real cluster: three primaries with a third of the slots each, and a replica for each of them.

use std::{
    fmt::Write,
    thread,
    time::{Duration, Instant},
};

use crate::{
    authority::{Authority, Identity},
    server::Server,
};

/// How long nodes may take to agree.
const AGREEMENT: Duration = Duration::from_mins(2);

/// Slots of a cluster.
const SLOTS: u16 = 16_384;

/// Real nodes. A primary that is gone is replaced within about two seconds.
#[derive(Debug)]
pub struct Cluster {
    /// The first three are the primaries at first, each with the replica that is three places further.
    pub nodes: Vec<Server>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self::start()
    }
}

impl Cluster {
    /// One that is complete.
    ///
    /// # Panics
    ///
    /// When a node does not start, or they do not agree within two minutes.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same, with more arguments for each node.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn with(arguments: &[&str]) -> Self {
        Self::of(|own| Server::node(&[own, arguments].concat()))
    }

    /// The same over TLS alone, also between the nodes, all of which show this certificate and want one by the same
    /// authority.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn secured(authority: &Authority, identity: &Identity, arguments: &[&str]) -> Self {
        let secured = ["--tls-cluster", "yes", "--tls-replication", "yes"];
        Self::of(|own| {
            let arguments = [own, &secured, arguments].concat();
            Server::secured_node(authority, identity, &arguments)
        })
    }

    fn of(node: impl Fn(&[&str]) -> Server) -> Self {
        let own = [
            "--cluster-node-timeout",
            "1000",
            "--cluster-require-full-coverage",
            "no",
            "--repl-diskless-sync-delay",
            "0",
        ];
        let nodes: Vec<_> = (0..6).map(|_| node(&own)).collect();
        let cluster = Self { nodes };
        for (place, primary) in (0..3).zip(&cluster.nodes) {
            let first = (SLOTS / 3 * place).to_string();
            let last = if place == 2 {
                SLOTS - 1
            } else {
                SLOTS / 3 * (place + 1) - 1
            };
            primary.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last.to_string()]);
            primary.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(place + 1).to_string()]);
        }
        for node in &cluster.nodes[1..] {
            cluster.introduce(node);
        }
        cluster.wait_for("everybody to know everybody", || {
            let known = |node: &Server| node.command(&["CLUSTER", "NODES"]).lines().count();
            cluster.nodes.iter().all(|node| known(node) == 6)
        });
        for (replica, primary) in cluster.nodes[3..].iter().zip(&cluster.nodes) {
            let primary = primary.command(&["CLUSTER", "MYID"]);
            cluster.wait_for("a replica", || {
                replica.command(&["CLUSTER", "REPLICATE", &primary]) == "OK"
            });
        }
        cluster.is_whole();
        cluster
    }

    /// Where clients find it.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(&self.nodes[0].address().to_string())
    }

    /// Another name of the same, for a cache that is to be of another process.
    #[must_use]
    pub fn other_url(&self) -> String {
        self.url_at("localhost")
    }

    fn url_at(&self, host: &str) -> String {
        let mut url = "redis-cluster://".to_owned();
        for (place, node) in self.nodes.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(url, "{comma}{host}:{}", node.announced()).expect("a string takes all");
        }
        url
    }

    /// Tells a node of the first one.
    pub fn introduce(&self, node: &Server) {
        let (port, bus) = (self.nodes[0].port(), self.nodes[0].bus());
        node.command(&[
            "CLUSTER",
            "MEET",
            &self.nodes[0].address().to_string(),
            &port.to_string(),
            &bus.to_string(),
        ]);
    }

    /// Waits until all slots are served, and every replica follows.
    ///
    /// # Panics
    ///
    /// When that takes longer than two minutes.
    pub fn is_whole(&self) {
        self.wait_for("a whole cluster", || {
            self.nodes.iter().all(|node| {
                let info = node.command(&["CLUSTER", "INFO"]);
                let role = node.command(&["ROLE"]);
                let follows = role.starts_with("master") || role.contains("connected");
                info.contains("cluster_state:ok")
                    && info.contains("cluster_slots_ok:16384")
                    && follows
            })
        });
    }

    /// Which node has this slot, as most of those that run see it.
    ///
    /// # Panics
    ///
    /// When none has.
    #[must_use]
    pub fn owner_of(&self, slot: u16) -> usize {
        let owner = (0..self.nodes.len()).find(|place| self.owns(*place, slot));
        owner.expect("somebody has it")
    }

    /// Whether this node takes itself for the one that has this slot.
    #[must_use]
    pub fn owns(&self, place: usize, slot: u16) -> bool {
        let node = &self.nodes[place];
        if !node.is_running() {
            return false;
        }
        let said = node.command(&["CLUSTER", "NODES"]);
        let own = said.lines().find(|line| line.contains("myself,master"));
        let mut words = own.unwrap_or_default().split(' ').skip(8);
        words.any(|word| {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            let number = |text: &str| text.parse::<u16>().ok();
            matches!((number(first), number(last)), (Some(first), Some(last)) if (first..=last).contains(&slot))
        })
    }

    /// Which of the nodes are primaries, as they see it.
    #[must_use]
    pub fn places_of_primaries(&self) -> Vec<usize> {
        let places = (0..self.nodes.len()).filter(|place| {
            let node = &self.nodes[*place];
            node.is_running() && node.command(&["ROLE"]).starts_with("master")
        });
        places.collect()
    }

    /// Those.
    #[must_use]
    pub fn primaries(&self) -> Vec<&Server> {
        let places = self.places_of_primaries().into_iter();
        places.map(|place| &self.nodes[place]).collect()
    }

    /// A replica of this node.
    ///
    /// # Panics
    ///
    /// When it has none.
    #[must_use]
    pub fn replica_of(&self, primary: usize) -> usize {
        let port = self.nodes[primary].announced().to_string();
        let replica = (0..self.nodes.len()).find(|place| {
            let role = self.nodes[*place].command(&["ROLE"]);
            let mut lines = role.lines();
            lines.next() == Some("slave") && lines.nth(1) == Some(&port)
        });
        replica.expect("it has a replica")
    }

    /// Waits until another node than this has its slots, and gives which one.
    ///
    /// # Panics
    ///
    /// When that takes longer than two minutes.
    #[must_use]
    pub fn wait_for_successor(&self, former: usize, slot: u16) -> usize {
        let mut next = former;
        self.wait_for("a successor", || {
            let others = (0..self.nodes.len()).filter(|place| *place != former);
            let owner = others.into_iter().find(|place| self.owns(*place, slot));
            next = owner.unwrap_or(former);
            next != former
        });
        next
    }

    /// Begins to move a slot to another primary, and gives which one has it.
    ///
    /// # Panics
    ///
    /// When a node refuses.
    #[must_use]
    pub fn open_slot(&self, slot: u16, to: usize) -> usize {
        let from = self.owner_of(slot);
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let id = |node: &Server| node.command(&["CLUSTER", "MYID"]);
        let (source_id, target_id, slot) = (id(source), id(target), slot.to_string());
        let done = |answer: String| assert_eq!(answer, "OK");
        done(target.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source_id]));
        done(source.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target_id]));
        from
    }

    /// Moves a slot with all its keys to another primary, as an operator would.
    ///
    /// # Panics
    ///
    /// When a step fails.
    pub fn move_slot(&self, slot: u16, to: usize) {
        let source = &self.nodes[self.open_slot(slot, to)];
        let (target, slot) = (&self.nodes[to], slot.to_string());
        let target_id = target.command(&["CLUSTER", "MYID"]);
        let done = |answer: String| assert_eq!(answer, "OK");
        loop {
            let keys = source.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
            if keys.is_empty() {
                break;
            }
            let (host, port) = (target.address().to_string(), target.port().to_string());
            for key in keys.lines() {
                let moved = source.command(&["MIGRATE", &host, &port, key, "0", "1000"]);
                assert!(["OK", "NOKEY"].contains(&moved.as_str()), "{moved}");
            }
        }
        done(target.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]));
        done(source.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]));
    }

    /// Which slot a key is in.
    ///
    /// # Panics
    ///
    /// When the first node does not answer.
    #[must_use]
    pub fn slot_of(&self, key: &str) -> u16 {
        let slot = self.nodes[0].command(&["CLUSTER", "KEYSLOT", key]);
        slot.parse().expect("it is a number")
    }

    /// The slot that the tags of an event are in.
    ///
    /// # Panics
    ///
    /// When it has none yet.
    #[must_use]
    pub fn slot_of_tags(&self, event: &str) -> u16 {
        self.slot_of(&self.tag_of(event))
    }

    /// The tag of something that an event has said of.
    ///
    /// # Panics
    ///
    /// When it has none yet.
    #[must_use]
    pub fn tag_of(&self, event: &str) -> String {
        let keys = self.keys();
        let mut tags = keys.iter().filter(|key| key.contains(":t:{"));
        let tag = tags.find(|tag| tag.split([':', '/']).nth(3) == Some(event));
        tag.unwrap_or_else(|| panic!("a tag of {event} is there: {keys:?}"))
            .clone()
    }

    /// All keys of all primaries that run.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let keys = self
            .primaries()
            .into_iter()
            .map(|node| node.command(&["KEYS", "*"]));
        keys.flat_map(|keys| keys.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    fn wait_for(&self, what: &str, mut is_there: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_there() {
            let nodes = || self.nodes[0].command(&["CLUSTER", "NODES"]);
            assert!(begun.elapsed() < AGREEMENT, "no {what}: {}", nodes());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

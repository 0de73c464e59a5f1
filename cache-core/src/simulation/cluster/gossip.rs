//! How the servers of a cluster hear of each other: what each says of itself arrives at the others a while later.

use super::{
    SHARDS,
    moves::SLOTS,
    node::{Node, Range, Said, address_of},
};
use crate::{
    clock::{Nanos, system_now},
    l2::redis::stage::{self, BUCKETS, key_of_tag, slot_of, slot_of_bucket},
    simulation::{
        network::{Event, MS, Network},
        server::Server,
    },
};

/// What one server says of itself, on its way to another one.
pub(in crate::simulation) struct Gossip {
    from: usize,
    to: usize,
    said: Said,
}

/// When one that does not listen is told again, in milliseconds.
const AGAIN: u64 = 100;

/// The most slots in a row that have no tags.
fn without_tags() -> Range {
    let mut tags: Vec<u16> = (0..BUCKETS).map(slot_of_bucket).collect();
    tags.sort_unstable();
    let gaps = tags.windows(2).map(|pair| (pair[0] + 1, pair[1] - 1));
    let longest = gaps.max_by_key(|(first, last)| last.saturating_sub(*first));
    longest.expect("there are several buckets")
}

/// All slots of one shard.
fn ranges(shard: usize, shard_of: impl Fn(u16) -> usize) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for slot in (0..16_384).filter(|slot| shard_of(*slot) == shard) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == slot => *last = slot,
            _ => ranges.push((slot, slot)),
        }
    }
    ranges
}

impl Network {
    /// Makes a cluster of what was one server: three, one of which may have no tags.
    pub(in crate::simulation) fn form_cluster(&mut self) {
        let with_tags = if self.random.percent(40) { 2 } else { SHARDS };
        let places = SLOTS.map(|_| self.random.index(with_tags));
        let (first, last) = without_tags();
        let shard_of = |slot: u16| {
            if let Some(event) = SLOTS.iter().position(|it| *it == slot) {
                places[event]
            } else if with_tags < SHARDS && (first..=last).contains(&slot) {
                SHARDS - 1
            } else {
                usize::from(slot) / (16_384 / with_tags + 1)
            }
        };
        for shard in 1..SHARDS {
            let lineage = self.next_lineage();
            self.servers.push(Server::new(lineage));
            self.primaries.push(shard);
        }
        let said = |shard| Said {
            epoch: shard as u64 + 1,
            slots: ranges(shard, shard_of),
            ..Said::default()
        };
        let all: Vec<Said> = (0..SHARDS).map(said).collect();
        for (shard, own) in all.iter().enumerate() {
            let others = all.iter().cloned().enumerate();
            self.servers[shard].node = Some(Node {
                number: shard,
                shard,
                own: own.clone(),
                others: others.filter(|(other, _)| *other != shard).collect(),
                ..Node::default()
            });
        }
    }

    pub(in crate::simulation) fn is_cluster(&self) -> bool {
        self.primaries.len() > 1
    }

    pub(in crate::simulation) fn shard_of(&self, server: usize) -> usize {
        let node = self.servers[server].node.as_ref();
        node.map_or(0, |node| node.shard)
    }

    /// Whether a server is a primary, and has what this key or channel belongs to.
    pub(in crate::simulation) fn is_primary_of(&self, server: usize, key: &str) -> bool {
        let node = self.servers[server].node.as_ref();
        let has_it = node.is_none_or(|node| node.own.has(slot_of(key)));
        has_it && self.primaries.contains(&server)
    }

    /// Nodes that a process is told of from the beginning.
    pub(in crate::simulation) fn seeds() -> Vec<stage::Node> {
        (0..SHARDS).map(address_of).collect()
    }

    pub(super) fn node(&mut self, server: usize) -> &mut Node {
        let node = self.servers[server].node.as_mut();
        node.expect("all servers of a cluster are nodes")
    }

    pub(super) fn next_epoch(&self) -> u64 {
        let nodes = self
            .servers
            .iter()
            .filter_map(|server| server.node.as_ref());
        nodes.map(|node| node.own.epoch).max().unwrap_or(0) + 1
    }

    /// All others are to hear what a server says of itself.
    pub(super) fn spread(&mut self, from: usize) {
        if !self.servers[from].is_up || self.node(from).is_isolated {
            return;
        }
        let said = self.node(from).own.clone();
        for to in (0..self.servers.len()).filter(|to| *to != from) {
            let is_late = self.random.percent(15);
            let slowest = if is_late { 1_000 } else { 2 * self.slowest };
            let takes = self.gossip_takes + self.random.below(slowest + 1);
            let said = said.clone();
            let gossip = Event::Gossip(Gossip { from, to, said });
            self.schedule(system_now() + takes * MS, gossip);
        }
    }

    /// All have heard of all.
    pub(super) fn agree_on_slots(&mut self) {
        for from in 0..self.servers.len() {
            for to in (0..self.servers.len()).filter(|to| *to != from) {
                let said = self.node(from).own.clone();
                if self.servers[from].is_up {
                    self.hear(Gossip { from, to, said });
                }
            }
        }
    }

    /// What was said has arrived.
    pub(in crate::simulation) fn hear(&mut self, gossip: Gossip) {
        let Gossip { from, to, said } = gossip;
        let hears = self.servers[to].is_up && !self.node(to).is_isolated;
        if !hears {
            if self.primaries.contains(&to) {
                let gossip = Event::Gossip(Gossip { from, to, said });
                self.schedule(system_now() + AGAIN * MS, gossip);
            }
            return;
        }
        let shard = self.shard_of(from);
        let shards: Vec<usize> = (0..self.servers.len())
            .map(|it| self.shard_of(it))
            .collect();
        let node = self.node(to);
        if node
            .others
            .get(&from)
            .is_some_and(|known| known.epoch > said.epoch)
        {
            return;
        }
        for (other, known) in &mut node.others {
            // Whose place was taken had been taken for dead.
            let is_replaced = shards[*other] == shard && *other != from;
            known.is_failed |= is_replaced && !said.is_replica && known.epoch < said.epoch;
        }
        let is_later = !said.is_replica && said.epoch > node.own.epoch;
        let lost: Vec<u16> = (0..16_384)
            .filter(|slot| is_later && said.has(*slot) && node.own.has(*slot))
            .collect();
        node.others.insert(from, said);
        for slot in lost {
            self.loses(to, slot, system_now());
        }
    }

    /// A server knows that another one has a slot that it had: it drops what is in it.
    fn loses(&mut self, server: usize, slot: u16, now: Nanos) {
        let node = self.node(server);
        node.own.lose(slot);
        node.leaving.remove(&slot);
        let keys: Vec<String> = self.servers[server].keys_in(slot);
        for key in keys {
            self.servers[server].set(&key, None, now);
        }
        self.cut_off(server, slot, now);
        self.log(|| format!("server {server} no longer has slot {slot}"));
    }

    /// Another server took the place of one: at least one that is asked knows of it at once, as it was elected.
    pub(in crate::simulation) fn is_promoted(&mut self, old: usize, is_isolated: bool) {
        if !self.is_cluster() {
            return;
        }
        let new = self.primaries[self.struck];
        let epoch = self.next_epoch();
        let mut node = self.node(old).promoted(new, epoch);
        let before = self.node(old).own.clone();
        node.others.insert(
            old,
            Said {
                is_failed: true,
                ..before
            },
        );
        let said = node.own.clone();
        self.servers[new].node = Some(node);
        self.node(old).is_isolated = is_isolated;
        let mut voters = self.primaries.iter().copied();
        if let Some(to) = voters.find(|it| *it != new && self.servers[*it].is_up) {
            let from = new;
            self.hear(Gossip { from, to, said });
        }
        self.spread(new);
    }

    /// A server that was replaced knows of it.
    pub(in crate::simulation) fn is_demoted(&mut self, old: usize) {
        if !self.is_cluster() || self.node(old).own.is_replica {
            return;
        }
        let now = system_now();
        let epoch = self.next_epoch() - 1;
        let node = self.node(old);
        node.is_isolated = false;
        node.leaving.clear();
        node.arriving.clear();
        node.own = Said {
            epoch,
            is_replica: true,
            ..Said::default()
        };
        for slot in (0..BUCKETS).map(slot_of_bucket) {
            self.cut_off(old, slot, now);
        }
        self.spread(old);
    }

    /// A primary was replaced twice, and has its place again.
    pub(in crate::simulation) fn claim_again(&mut self, primary: usize) {
        if self.is_cluster() {
            let epoch = self.next_epoch();
            let node = self.node(primary);
            node.own.epoch = epoch;
            node.leaving.clear();
            node.arriving.clear();
            self.spread(primary);
        }
    }

    /// The others find out that a server is there.
    pub(in crate::simulation) fn is_alive(&mut self, server: usize) {
        if self.is_cluster() {
            self.spread(server);
        }
    }

    /// The shard that faults are on no longer knows what it was told since.
    pub(in crate::simulation) fn lost_since(&mut self, since: Nanos) {
        let own = self.servers[self.primaries[self.struck]].node.as_ref();
        let own = own.map(|node| node.own.clone());
        self.history.lost_since(since, |tag| {
            let key = key_of_tag(&format!("sim:t:{tag}")).0;
            own.as_ref().is_none_or(|own| own.has(slot_of(&key)))
        });
    }
}

impl Server {
    pub(super) fn keys_in(&self, slot: u16) -> Vec<String> {
        let keys = self.keys().filter(|key| slot_of(key) == slot);
        keys.cloned().collect()
    }
}

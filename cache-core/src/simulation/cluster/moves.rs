//! Slots of tags that are moved from one shard to another, as the tools of Redis do it: key by key, and then whoever has
//! got all of them says that the slot is its own.

use std::{collections::BTreeSet, sync::LazyLock};

use crate::{
    clock::system_now,
    l2::redis::stage::{key_of_tag, slot_of_bucket},
    simulation::network::Network,
};

/// The slots of the events that there are.
pub(super) static SLOTS: LazyLock<[u16; 2]> = LazyLock::new(|| {
    ["RowChanged", "TwinChanged"].map(|event| {
        let (_, bucket) = key_of_tag(&format!("sim:t:{event}"));
        slot_of_bucket(bucket)
    })
});

/// Slots on their way.
#[derive(Default)]
pub(in crate::simulation) struct Moves {
    under_way: [Option<Move>; 2],
    /// Changes at whoever is about to get a slot: they are done when whoever has it tells of them.
    to_be_told: BTreeSet<String>,
}

/// One slot that goes from one shard to another.
#[derive(Clone, Copy, Debug)]
struct Move {
    slot: u16,
    from: usize,
    to: usize,
}

fn trimmed(text: &[u8]) -> String {
    String::from_utf8_lossy(text).trim().to_owned()
}

/// With `0` in place of each version.
fn without_versions(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let mut words: Vec<&str> = line.split(' ').collect();
        words[1] = "0";
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl Moves {
    /// Whoever keeps no versions answers that there are none.
    pub(in crate::simulation) fn is_to_be_told(&mut self, text: &[u8], keeps_versions: bool) {
        let text = trimmed(text);
        let told = if keeps_versions {
            text
        } else {
            without_versions(&text)
        };
        self.to_be_told.insert(told);
    }

    /// Whether what is told is such a change.
    pub(in crate::simulation) fn is_told(&self, text: &[u8]) -> bool {
        self.to_be_told.contains(&trimmed(text))
    }
}

impl Network {
    /// The shard whose primary has a slot: whoever said so last.
    pub(super) fn owner_of(&self, slot: u16) -> usize {
        let shards = 0..self.primaries.len();
        let claims = shards.filter_map(|shard| {
            let own = &self.servers[self.primaries[shard]].node.as_ref()?.own;
            own.has(slot).then_some((own.epoch, shard))
        });
        claims.max().expect("every slot is somewhere").1
    }

    /// The slot of an event begins to move to a shard; where it is there already, to the next.
    pub(super) fn open_slot(&mut self, event: usize, to: usize) {
        let slot = SLOTS[event];
        let from = self.owner_of(slot);
        let to = if to == from {
            (to + 1) % self.primaries.len()
        } else {
            to
        };
        let [source, target] = [from, to].map(|shard| self.primaries[shard]);
        let is_up = self.servers[source].is_up && self.servers[target].is_up;
        if self.moves.under_way[event].is_some() || !is_up {
            return;
        }
        self.node(target).arriving.insert(slot, source);
        self.node(source).leaving.insert(slot, target);
        self.moves.under_way[event] = Some(Move { slot, from, to });
    }

    /// The move of an event's slot, and the servers it is between, where those are still the same and work.
    fn move_of(&mut self, event: usize) -> Option<(Move, [usize; 2])> {
        let this = self.moves.under_way[event]?;
        let [source, target] = [this.from, this.to].map(|shard| self.primaries[shard]);
        let works = |server: usize| self.servers[server].is_up && !self.servers[server].is_full;
        let is_open = works(source)
            && works(target)
            && self.node(source).leaving.get(&this.slot) == Some(&target)
            && self.node(target).arriving.get(&this.slot) == Some(&source);
        is_open.then_some((this, [source, target]))
    }

    /// One key, or all that are left.
    pub(super) fn move_keys(&mut self, event: usize, moves_all: bool) {
        let Some((this, [source, target])) = self.move_of(event) else {
            return;
        };
        let mut keys = self.servers[source].keys_in(this.slot);
        if !moves_all && !keys.is_empty() {
            let one = self.random.index(keys.len());
            keys = vec![keys.swap_remove(one)];
        }
        for key in keys {
            self.hand_over(&key, source, target);
        }
    }

    fn hand_over(&mut self, key: &str, source: usize, target: usize) {
        let mut from = std::mem::take(&mut self.servers[source]);
        from.hand_over(key, &mut self.servers[target], system_now());
        self.servers[source] = from;
    }

    /// Whoever has got all keys says that the slot is its own: before whoever had it knows.
    pub(super) fn claim_slot(&mut self, event: usize) {
        self.move_keys(event, true);
        let Some((this, [_, target])) = self.move_of(event) else {
            return;
        };
        let epoch = self.next_epoch();
        let node = self.node(target);
        node.arriving.remove(&this.slot);
        node.own.get(this.slot);
        node.own.epoch = epoch;
        self.moves.under_way[event] = None;
        self.spread(target);
    }

    /// Nothing becomes of a move: whatever has arrived goes back, to whoever is primary there by now.
    pub(super) fn give_up_move(&mut self, event: usize) {
        let Some(this) = self.moves.under_way[event] else {
            return;
        };
        let [source, target] = [this.from, this.to].map(|shard| self.primaries[shard]);
        if !self.servers[source].is_up || !self.servers[target].is_up {
            return;
        }
        self.moves.under_way[event] = None;
        for key in self.servers[target].keys_in(this.slot) {
            let is_there = self.servers[source].keys().any(|other| *other == key);
            if is_there {
                self.servers[target].set(&key, None, system_now());
            } else {
                self.hand_over(&key, target, source);
            }
        }
        self.node(source).leaving.remove(&this.slot);
        self.node(target).arriving.remove(&this.slot);
    }

    /// All is well with the cluster.
    pub(in crate::simulation) fn mend_cluster(&mut self) {
        if !self.is_cluster() {
            return;
        }
        self.apart.clear();
        self.deaf.clear();
        self.gossip_takes = 0;
        // What changes in several buckets is to be seen several times in time.
        self.slowest_caller = 0;
        for event in 0..SLOTS.len() {
            self.give_up_move(event);
        }
        // Those that were replaced are back as replicas: a process may know of no others.
        self.servers
            .iter_mut()
            .for_each(|server| server.is_up = true);
        self.agree_on_slots();
        // Two may have said that a slot is theirs: whoever had it first has it open still.
        for primary in self.primaries.clone() {
            let node = self.node(primary);
            node.leaving.clear();
            node.arriving.clear();
        }
    }
}

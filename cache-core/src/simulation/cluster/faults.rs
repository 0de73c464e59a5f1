//! What goes wrong, or goes on, in a cluster only.

use super::moves::SLOTS;
use crate::simulation::network::Network;

/// A fault of a cluster. Events are told apart by their numbers.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulation) enum InCluster {
    /// The slot of an event begins to move to a shard.
    Open {
        event: usize,
        to: usize,
    },
    /// One of its keys moves.
    MoveKey(usize),
    /// All the others do, and the slot is where they are.
    Claim(usize),
    GiveUp(usize),
    /// The others take a primary for dead.
    Fail,
    /// A process does not reach a primary.
    Apart(usize),
    /// A process hears nothing of what the primary that has the slot of an event publishes, and is answered by it.
    Deaf {
        process: usize,
        event: usize,
    },
    /// Nodes take so long to hear of each other, at least.
    Gossip(u64),
}

impl Network {
    pub(in crate::simulation) fn strike_cluster(&mut self, fault: InCluster) {
        let primary = self.primaries[self.struck];
        match fault {
            InCluster::Open { event, to } => self.open_slot(event, to),
            InCluster::MoveKey(event) => self.move_keys(event, false),
            InCluster::Claim(event) => self.claim_slot(event),
            InCluster::GiveUp(event) => self.give_up_move(event),
            InCluster::Fail => {
                // Where it is there again, it is heard of.
                if self.servers[primary].is_up {
                    return;
                }
                for other in self.primaries.clone() {
                    if let Some(known) = self.node(other).others.get_mut(&primary) {
                        known.is_failed = true;
                    }
                }
            }
            InCluster::Apart(process) => {
                self.apart.insert((process, primary));
                for link in self.links(Some(process)) {
                    if self.links_to(primary).contains(&link) {
                        self.silence(link, true, true);
                    }
                }
            }
            InCluster::Deaf { process, event } => {
                let owner = self.owner_of(SLOTS[event]);
                let server = self.primaries[owner];
                self.deaf.insert((process, server));
                for link in self.links(Some(process)) {
                    if self.listens(link) && self.links_to(server).contains(&link) {
                        self.silence(link, false, true);
                    }
                }
            }
            InCluster::Gossip(takes) => self.gossip_takes = takes,
        }
    }
}

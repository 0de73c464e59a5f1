//! Which primary of a cluster has which slot, as the nodes tell it.

use std::collections::{BTreeMap, HashMap};

use super::slots::SLOTS;
use crate::l2::redis::address::Node;

/// No primary has it.
const NOBODY: u16 = u16::MAX;

/// What one node says of another one, or of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    id: String,
    pub(super) node: Node,
    /// It has nothing, and may be a primary one day.
    is_replica: bool,
    /// The later one counts.
    epoch: u64,
    /// It is taken for dead.
    is_failed: bool,
    ranges: Vec<(u16, u16)>,
    /// Slots that are on their way, and the node that is to have them.
    leaving: Vec<(u16, String)>,
}

/// Who has which slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topology {
    /// Those without a slot too, who may be about to have one.
    pub(super) primaries: Vec<Primary>,
    owners: Vec<u16>,
    importers: BTreeMap<u16, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Primary {
    pub(super) node: Node,
    /// All who answered take it for dead.
    pub(super) is_failed: bool,
}

/// Reads what a node says to `CLUSTER NODES`. Where it does not know its own address, it is the one that was asked.
pub(super) fn read(text: &str, asked: &Node, by_name: bool) -> Vec<Claim> {
    let claims = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (id, address, flags) = (words.next()?, words.next()?, words.next()?);
        let has = |flag: &str| flags.split(',').any(|it| it == flag);
        if has("noaddr") || has("handshake") {
            return None;
        }
        let epoch = words.nth(3)?.parse().ok()?;
        let _link = words.next()?;
        let words: Vec<_> = words.collect();
        Some(Claim {
            id: id.to_owned(),
            node: node_of(address, asked, by_name)?,
            is_replica: !has("master"),
            epoch,
            is_failed: has("fail"),
            ranges: words.iter().filter_map(|word| range_of(word)).collect(),
            leaving: words.iter().filter_map(|word| leaving(word)).collect(),
        })
    });
    claims.collect()
}

/// Of `host:port@bus[,name,..]`.
fn node_of(address: &str, asked: &Node, by_name: bool) -> Option<Node> {
    let mut parts = address.split(',');
    let (host, port) = parts.next()?.split_once('@')?.0.rsplit_once(':')?;
    let name = parts.next().filter(|name| by_name && !name.is_empty());
    let host = match (name, asked) {
        (Some(name), _) => name,
        (None, Node::Tcp { host: asked, .. }) if host.is_empty() => asked,
        (None, _) => host,
    };
    Some(Node::Tcp {
        host: host.to_owned(),
        port: port.parse().ok().filter(|port| *port > 0)?,
    })
}

/// A slot, or the first and last of several; nothing of one that is being moved.
fn range_of(word: &str) -> Option<(u16, u16)> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some((slot(first)?, slot(last)?))
}

/// Of `[slot->-node]`.
fn leaving(word: &str) -> Option<(u16, String)> {
    let inner = word.strip_prefix('[')?.strip_suffix(']')?;
    let (left, node) = inner.split_once("->-")?;
    Some((slot(left)?, node.to_owned()))
}

fn slot(text: &str) -> Option<u16> {
    text.parse().ok().filter(|slot| usize::from(*slot) < SLOTS)
}

impl Topology {
    pub(super) fn has_slots(&self, place: usize) -> bool {
        self.owners.iter().any(|owner| usize::from(*owner) == place)
    }

    /// What follows from all that was answered: of those who claim a slot, whoever did last has it.
    pub(super) fn of(answers: &[Vec<Claim>]) -> Self {
        let mut places = HashMap::new();
        let mut primaries: Vec<Primary> = Vec::new();
        let mut latest = vec![(0, NOBODY); SLOTS];
        for claim in answers.iter().flatten().filter(|claim| !claim.is_replica) {
            let place = *places.entry(&claim.node).or_insert_with(|| {
                primaries.push(Primary {
                    node: claim.node.clone(),
                    is_failed: true,
                });
                primaries.len() - 1
            });
            primaries[place].is_failed &= claim.is_failed;
            let place = u16::try_from(place).unwrap_or(NOBODY);
            for (first, last) in &claim.ranges {
                for slot in *first..=*last {
                    let owner = &mut latest[usize::from(slot)];
                    if owner.1 == NOBODY || claim.epoch > owner.0 {
                        *owner = (claim.epoch, place);
                    }
                }
            }
        }
        let has_slots = |place: usize| latest.iter().any(|(_, owner)| usize::from(*owner) == place);
        // Of one that is dead and has nothing there is nothing to be had.
        let is_of_use: Vec<bool> = (0..primaries.len())
            .map(|place| !primaries[place].is_failed || has_slots(place))
            .collect();
        let owners = latest.iter().map(|(_, owner)| *owner);
        let mut topology = Self::sorted(&primaries, &is_of_use, owners);
        let leaving = answers.iter().flatten().flat_map(|claim| &claim.leaving);
        for (slot, id) in leaving {
            let importer = answers.iter().flatten().find(|claim| claim.id == *id);
            let is_it = |it: &Primary| importer.is_some_and(|claim| claim.node == it.node);
            if let Some(place) = topology.primaries.iter().position(is_it) {
                topology.importers.insert(*slot, place);
            }
        }
        topology
    }

    /// So that two of them are equal where they say the same, whoever said it first.
    fn sorted(
        primaries: &[Primary],
        is_of_use: &[bool],
        owners: impl Iterator<Item = u16>,
    ) -> Self {
        let mut order: Vec<usize> = (0..primaries.len()).filter(|it| is_of_use[*it]).collect();
        order.sort_by_key(|place| primaries[*place].node.to_string());
        let mut places = vec![NOBODY; primaries.len()];
        for (new, old) in order.iter().enumerate() {
            places[*old] = u16::try_from(new).unwrap_or(NOBODY);
        }
        let owner = |old| places.get(usize::from(old)).copied().unwrap_or(NOBODY);
        Self {
            primaries: order
                .into_iter()
                .map(|old| primaries[old].clone())
                .collect(),
            owners: owners.map(owner).collect(),
            importers: BTreeMap::new(),
        }
    }

    /// The place of the one that is about to get this slot.
    pub(super) fn importer_of(&self, slot: u16) -> Option<usize> {
        self.importers.get(&slot).copied()
    }

    /// The place among the primaries of the one that has this slot.
    pub(super) fn owner_of(&self, slot: u16) -> Option<usize> {
        let owner = *self.owners.get(usize::from(slot))?;
        (owner != NOBODY).then_some(usize::from(owner))
    }

    /// Whether the same primaries have the same slots, and are as dead or alive.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.owners == other.owners && self.primaries == other.primaries
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn node(port: u16) -> Node {
        let host = "10.0.0.1".into();
        Node::Tcp { host, port }
    }

    fn answer(text: &str) -> Vec<Claim> {
        read(text, &node(9), false)
    }

    const ONE: &str = "\
a1 10.0.0.1:1@10001 myself,master - 0 0 1 connected 0-99 [100->-b2]
b2 10.0.0.1:2@10002,two.internal master - 0 1 2 connected 100 102-16383
c3 10.0.0.1:3@10003 slave a1 0 1 1 connected
d4 :0@0 master,noaddr - 0 1 9 disconnected 5
e5 10.0.0.1:5@10005 master,fail - 0 1 0 disconnected
";

    #[test]
    fn primaries_and_their_slots_are_read() {
        let topology = Topology::of(&[answer(ONE)]);
        let owner = |slot| {
            let owner = topology.owner_of(slot)?;
            Some(topology.primaries[owner].node.clone())
        };
        assert_eq!(owner(0), Some(node(1)));
        assert_eq!(owner(100), Some(node(2)));
        assert_eq!(owner(101), None);
        assert_eq!(owner(16_383), Some(node(2)));
        assert_eq!(topology.primaries.len(), 2, "one is dead and has nothing");
        assert_eq!(topology.importer_of(100), topology.owner_of(100));
        assert_eq!(topology.importer_of(101), None);
        let replica = node(3);
        assert!(answer(ONE).iter().any(|it| it.node == replica), "heard of");
    }

    #[test]
    fn whoever_claims_a_slot_last_has_it() {
        let later = "b2 10.0.0.1:2@10002 myself,master - 0 1 3 connected 0-10";
        for answers in [[ONE, later], [later, ONE]] {
            let topology = Topology::of(&answers.map(answer));
            assert_eq!(topology.owner_of(10), topology.owner_of(100));
            assert_ne!(topology.owner_of(11), topology.owner_of(100));
        }
    }

    #[test]
    fn what_is_the_same_is_equal_whoever_says_it_first() {
        let mut lines: Vec<_> = ONE.lines().collect();
        lines.reverse();
        let turned = Topology::of(&[answer(&lines.join("\n"))]);
        assert!(turned.is_as(&Topology::of(&[answer(ONE)])));
    }

    #[test]
    fn a_node_that_does_not_know_its_address_is_where_it_was_asked() {
        let text = "a1 :7@10007 myself,master - 0 0 1 connected 0";
        let nodes = read(text, &node(9), false);
        assert_eq!(nodes[0].node, node(7));
    }

    #[test]
    fn a_name_counts_where_certificates_do() {
        let host = "two.internal".into();
        let named = Node::Tcp { host, port: 2 };
        let nodes = read(ONE, &node(9), true);
        assert!(nodes.iter().any(|it| it.node == named));
        assert!(answer(ONE).iter().all(|it| it.node != named));
    }

    proptest! {
        #[test]
        fn whatever_a_node_says_is_no_harm(lines in vec("[a-z0-9:@,\\[\\]> -]{0,80}", 0..8)) {
            let topology = Topology::of(&[answer(&lines.join("\n"))]);
            for slot in [0, 16_383, u16::MAX] {
                let owner = topology.owner_of(slot);
                prop_assert!(owner.is_none_or(|it| it < topology.primaries.len()));
            }
        }
    }
}

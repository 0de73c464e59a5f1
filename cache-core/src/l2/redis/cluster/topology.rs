//! Which primary of a cluster has which slot, as the nodes tell it.

use std::collections::{BTreeMap, HashMap};

use super::slots::SLOTS;
use crate::l2::redis::address::{Node, is_host};

/// Bytes of an answer: that of a thousand nodes with scattered slots has a tenth of it.
const LONGEST_ANSWER: usize = 4 << 20;
/// Redis itself is made for a thousand.
const MOST_NODES: usize = 4_096;

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
    if text.len() > LONGEST_ANSWER {
        return Vec::new();
    }
    let claims = text.lines().take(MOST_NODES).filter_map(|line| {
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
            ranges: ranges_of(&words),
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
        (None, Node::Tcp { host: asked, .. }) if host.is_empty() => asked,
        (name, _) => Some(name.unwrap_or(host)).filter(|host| is_host(host))?,
    };
    Some(Node::Tcp {
        host: host.to_owned(),
        port: port.parse().ok().filter(|port| *port > 0)?,
    })
}

/// Not more slots than there are, however often they are said.
fn ranges_of(words: &[&str]) -> Vec<(u16, u16)> {
    let mut left = SLOTS;
    let ranges = words.iter().filter_map(|word| range_of(word));
    let ranges = ranges.take_while(|(first, last)| {
        let count = usize::from(last.saturating_sub(*first)) + 1;
        let fits = count <= left;
        left = left.saturating_sub(count);
        fits
    });
    ranges.collect()
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
        // Of one that is dead and has nothing there is nothing to be had.
        let mut is_of_use: Vec<bool> = primaries.iter().map(|it| !it.is_failed).collect();
        for (_, owner) in &latest {
            if let Some(is_of_use) = is_of_use.get_mut(usize::from(*owner)) {
                *is_of_use = true;
            }
        }
        let owners = latest.iter().map(|(_, owner)| *owner);
        let mut topology = Self::sorted(&primaries, &is_of_use, owners);
        topology.importers = topology.importers_of(answers);
        topology
    }

    /// Who is about to get which slot.
    fn importers_of(&self, answers: &[Vec<Claim>]) -> BTreeMap<u16, usize> {
        let primaries = self.primaries.iter().enumerate();
        let places: HashMap<_, _> = primaries.map(|(place, it)| (&it.node, place)).collect();
        let mut named = HashMap::new();
        for claim in answers.iter().flatten() {
            named.entry(claim.id.as_str()).or_insert(&claim.node);
        }
        let leaving = answers.iter().flatten().flat_map(|claim| &claim.leaving);
        let importers = leaving.filter_map(|(slot, id)| {
            let node = named.get(id.as_str())?;
            Some((*slot, *places.get(node)?))
        });
        importers.collect()
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
    use proptest::{collection::vec, prelude::*, sample::Index};

    use super::*;
    use crate::corpus::each_is_what_its_name_says;

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

    fn is_sound(answers: &[Vec<Claim>]) -> Result<(), TestCaseError> {
        let topology = Topology::of(answers);
        for slot in [0, 5, 100, 16_383, u16::MAX] {
            for place in [topology.owner_of(slot), topology.importer_of(slot)] {
                prop_assert!(place.is_none_or(|it| it < topology.primaries.len()));
            }
        }
        for claim in answers.iter().flatten() {
            let Node::Tcp { host, port } = &claim.node else {
                return Err(TestCaseError::fail("no socket is named"));
            };
            prop_assert!(is_host(host) && *port > 0);
            prop_assert!(claim.ranges.len() <= SLOTS);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn whatever_a_node_says_is_no_harm(lines in vec("[a-z0-9:@,\\[\\]> -]{0,80}", 0..8)) {
            is_sound(&[answer(&lines.join("\n"))])?;
        }

        #[test]
        fn whatever_bytes_a_node_says_are_no_harm(
            bytes in vec(any::<u8>(), 0..400), at in any::<Index>(), by_name: bool,
        ) {
            let noise = String::from_utf8_lossy(&bytes);
            let mut damaged = ONE.as_bytes().to_vec();
            let at = at.index(damaged.len());
            damaged.splice(at..at, bytes.iter().copied());
            let damaged = String::from_utf8_lossy(&damaged);
            let of = |text: &str| read(text, &node(9), by_name);
            is_sound(&[of(&noise), of(&damaged), answer(ONE)])?;
        }
    }

    #[test]
    fn each_saved_answer_names_as_many_primaries_as_its_name_says() {
        each_is_what_its_name_says("nodes", |_, bytes| {
            let answer = answer(&String::from_utf8_lossy(bytes));
            is_sound(std::slice::from_ref(&answer)).unwrap();
            Topology::of(&[answer]).primaries.len().to_string()
        });
    }

    #[test]
    fn an_answer_beyond_all_bounds_is_soon_read() {
        let all = "0-16383 ".repeat(100_000);
        let lines = (0..3).map(|id| {
            format!(
                "a{id} 10.0.0.1:{}@1 master - 0 0 {id} connected {all}",
                id + 1
            )
        });
        let claims = answer(&lines.collect::<Vec<_>>().join("\n"));
        assert!(claims.iter().all(|claim| claim.ranges.len() == 1));
        let many = (1..60_000)
            .map(|port| format!("a{port} 10.0.0.1:{port}@1 master - 0 0 1 connected 0-16383"));
        let many: Vec<_> = many.collect();
        assert!(answer(&many[..10_000].join("\n")).len() <= MOST_NODES);
        assert_eq!(
            Topology::of(&[answer(&many[..10_000].join("\n"))]).owner_of(7),
            Some(0)
        );
        assert_eq!(
            answer(&many.join("\n").repeat(2)),
            [],
            "it is longer than any"
        );
        assert_eq!(answer(&ONE.replace("10.0.0.1", &"x".repeat(300))), []);
    }
}

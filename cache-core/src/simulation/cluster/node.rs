//! What a server of a cluster knows: which slots it has, which of them are on their way, and what others have said.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::l2::redis::stage;

/// The first and the last of slots that follow each other.
pub(in crate::simulation) type Range = (u16, u16);

/// One server as part of a cluster.
#[derive(Clone, Debug, Default)]
pub(in crate::simulation) struct Node {
    /// Which of the servers it is.
    pub(in crate::simulation) number: usize,
    /// Whose primary it is, or was.
    pub(in crate::simulation) shard: usize,
    pub(in crate::simulation) own: Said,
    /// Slots that are being moved away, and the server that is to have them.
    pub(in crate::simulation) leaving: BTreeMap<u16, usize>,
    /// Slots that it is about to get.
    pub(in crate::simulation) arriving: BTreeMap<u16, usize>,
    /// What the other servers last said of themselves.
    pub(in crate::simulation) others: BTreeMap<usize, Said>,
    /// It hears nothing of the others, and they nothing of it.
    pub(in crate::simulation) is_isolated: bool,
}

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::simulation) struct Said {
    pub(in crate::simulation) epoch: u64,
    pub(in crate::simulation) slots: Vec<Range>,
    pub(in crate::simulation) is_replica: bool,
    /// Others say so.
    pub(in crate::simulation) is_failed: bool,
}

impl Said {
    pub(in crate::simulation) fn has(&self, slot: u16) -> bool {
        let mut ranges = self.slots.iter();
        ranges.any(|(first, last)| (*first..=*last).contains(&slot))
    }

    pub(super) fn lose(&mut self, slot: u16) {
        let split = |(first, last): Range| {
            let is_in = (first..=last).contains(&slot);
            let before = (first, slot.wrapping_sub(1));
            let behind = (slot.wrapping_add(1), last);
            let parts = if is_in {
                [
                    (first < slot).then_some(before),
                    (slot < last).then_some(behind),
                ]
            } else {
                [Some((first, last)), None]
            };
            parts.into_iter().flatten()
        };
        let slots = std::mem::take(&mut self.slots);
        self.slots = slots.into_iter().flat_map(split).collect();
    }

    pub(super) fn get(&mut self, slot: u16) {
        if !self.has(slot) {
            self.slots.push((slot, slot));
            self.slots.sort_unstable();
        }
    }

    fn describe(&self, number: usize, is_itself: bool) -> String {
        let role = if self.is_replica { "slave" } else { "master" };
        let itself = if is_itself { "myself," } else { "" };
        let failed = if self.is_failed { ",fail" } else { "" };
        let mut line = format!(
            "n{number} node:{}@1 {itself}{role}{failed} - 0 0 {} connected",
            port_of(number),
            self.epoch
        );
        for (first, last) in &self.slots {
            let _ = write!(line, " {first}-{last}");
        }
        line
    }
}

impl Node {
    /// What it says to `CLUSTER NODES`.
    pub(in crate::simulation) fn describe(&self) -> String {
        let mut text = self.own.describe(self.number, true);
        for (slot, to) in &self.leaving {
            let _ = write!(text, " [{slot}->-n{to}]");
        }
        for (slot, from) in &self.arriving {
            let _ = write!(text, " [{slot}-<-n{from}]");
        }
        for (other, said) in &self.others {
            text.push('\n');
            text.push_str(&said.describe(*other, false));
        }
        text
    }

    /// What it is as a primary from here on whose primary it was a replica of.
    pub(super) fn promoted(&self, number: usize, epoch: u64) -> Self {
        let own = Said {
            epoch,
            ..self.own.clone()
        };
        // Replicas do not know of slots that are on their way.
        Self {
            number,
            shard: self.shard,
            own,
            others: self.others.clone(),
            ..Self::default()
        }
    }
}

fn port_of(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX - 1) + 1
}

/// Where a server is reached.
pub(super) fn address_of(number: usize) -> stage::Node {
    stage::Node::Tcp {
        host: "node".into(),
        port: port_of(number),
    }
}

/// The server that is there.
pub(super) fn number_of(node: &stage::Node) -> usize {
    match node {
        stage::Node::Tcp { port, .. } => usize::from(*port - 1),
        stage::Node::Unix(_) => unreachable!("nodes of a cluster have ports"),
    }
}

//! Which lineage one connection speaks for: a reply counts for that of the connection that carried it, and for none where
//! that changed on the way.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    mutant::{self, Mutant},
    version::Lineage,
};

/// The lineage of the server at the other end, as of the last beat.
#[derive(Debug)]
pub(crate) struct Standing(AtomicU64);

impl Standing {
    /// The handshake said so, before anything was asked.
    pub(crate) fn new(lineage: Lineage) -> Self {
        Self(AtomicU64::new(lineage.0))
    }

    pub(crate) fn lineage(&self) -> Lineage {
        Lineage(self.0.load(Ordering::Acquire))
    }

    /// Its server was asked again. Gives whether it says something else.
    pub(crate) fn beat(&self, lineage: Lineage) -> bool {
        !mutant::is(Mutant::B13) && self.0.swap(lineage.0, Ordering::AcqRel) != lineage.0
    }

    /// What a reply counts for that was asked for under `asked`; nothing where that has changed since.
    pub(crate) fn of_reply(&self, asked: Lineage) -> Option<Lineage> {
        (self.lineage() == asked).then_some(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_across_a_change_of_lineage_counts_for_none() {
        let standing = Standing::new(Lineage(1));
        let asked = standing.lineage();
        assert!(!standing.beat(Lineage(1)));
        assert_eq!(standing.of_reply(asked), Some(Lineage(1)));
        assert!(standing.beat(Lineage(2)));
        assert_eq!(standing.of_reply(asked), None);
    }
}

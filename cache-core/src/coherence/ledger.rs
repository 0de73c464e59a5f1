//! Bumps of the last minute: what a server of another lineage may never have heard of.

use std::{collections::HashMap, time::Duration};

use super::{rules, version::Lineage};
use crate::{
    clock::{Nanos, before, nanos},
    event::Tag,
};

/// Longer than it takes until all processes have left a server that was replaced.
pub(super) const WINDOW: Duration = Duration::from_mins(1);
/// More tags of one event are remembered as all of them.
pub(super) const MOST_TAGS: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    events: HashMap<String, HashMap<Tag, Record>>,
    purged: Nanos,
    /// When the server whose lineage is known was last asked what it then answered: a process that stands still, or is cut
    /// off, forgets nothing meanwhile that the next one may have to be told.
    answered: Nanos,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    at: Nanos,
    lineage: Lineage,
}

impl Ledger {
    /// A server of the lineage that is known was asked at this time.
    pub(super) fn answered(&mut self, asked: Nanos) {
        self.answered = self.answered.max(asked);
    }

    /// A server of this lineage has acknowledged a bump.
    pub(super) fn add(&mut self, tag: &Tag, lineage: Lineage, now: Nanos) {
        if now.saturating_sub(self.purged) > nanos(WINDOW / 4) {
            self.purge(self.answered);
            self.purged = now;
        }
        let record = Record { at: now, lineage };
        let tags = match self.events.get_mut(tag.event()) {
            Some(tags) => tags,
            None => self.events.entry(tag.event().to_owned()).or_default(),
        };
        if tags.len() < MOST_TAGS || tags.contains_key(tag) {
            tags.insert(tag.clone(), record);
            return;
        }
        // What any of them was acknowledged by last is not what all of them were.
        *tags = Tag::of_whole_event(tag.event())
            .map(|whole| {
                let lineage = Lineage::UNKNOWN;
                (whole, Record { at: now, lineage })
            })
            .into();
    }

    /// Forgets what was acknowledged more than the window before `last`.
    fn purge(&mut self, last: Nanos) {
        let oldest = before(last, WINDOW);
        self.events.retain(|_, tags| {
            tags.retain(|_, record| record.at >= oldest);
            !tags.is_empty()
        });
    }

    pub(super) fn is_empty(&mut self, now: Nanos) -> bool {
        self.purge(now);
        self.events.is_empty()
    }

    /// What a server of this lineage may not know, which was asked at this time. It is taken to know it from here on.
    pub(super) fn unknown_to(&mut self, lineage: Lineage, asked: Nanos) -> Vec<Tag> {
        self.purge(self.answered);
        self.answered(asked);
        let records = self.events.values_mut().flatten();
        let unknown = records.filter(|(_, record)| rules::may_not_know(lineage, record.lineage));
        let mut tags: Vec<_> = unknown
            .map(|(tag, record)| {
                record.lineage = lineage;
                tag.clone()
            })
            .collect();
        // Hash maps have no order, and a run must be the same twice.
        tags.sort_unstable();
        tags
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.events.values().map(HashMap::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn another_lineage_is_told_what_was_acknowledged_within_a_minute() {
        let mut ledger = Ledger::default();
        let tags = ["E:1", "E:2", "E:3"].map(Tag::from_name);
        ledger.add(&tags[0], Lineage(1), 0);
        ledger.add(&tags[1], Lineage(1), 40 * SECOND);
        ledger.answered(61 * SECOND);
        ledger.add(&tags[2], Lineage(2), 61 * SECOND);
        assert_eq!(
            ledger.unknown_to(Lineage(2), 61 * SECOND),
            [tags[1].clone()]
        );
        assert!(ledger.unknown_to(Lineage(2), 61 * SECOND).is_empty());
        assert_eq!(ledger.unknown_to(Lineage(1), 61 * SECOND).len(), 2);
    }

    #[test]
    fn a_process_that_stood_still_has_forgotten_nothing_of_the_minute_before() {
        let mut ledger = Ledger::default();
        let tags = ["E:1", "E:2", "E:3"].map(Tag::from_name);
        ledger.add(&tags[0], Lineage(1), 10 * SECOND);
        ledger.answered(90 * SECOND);
        ledger.add(&tags[1], Lineage(1), 90 * SECOND);
        ledger.add(&tags[2], Lineage(2), 300 * SECOND);
        let unknown = ledger.unknown_to(Lineage(2), 300 * SECOND);
        assert_eq!(unknown, [tags[1].clone()]);
    }

    #[test]
    fn many_tags_of_one_event_are_remembered_as_all_of_them() {
        let mut ledger = Ledger::default();
        for id in 0..50_000 {
            ledger.add(&Tag::from_name(&format!("E:{id}")), Lineage(1), SECOND);
        }
        assert!(ledger.len() <= MOST_TAGS, "{}", ledger.len());
        let unknown = ledger.unknown_to(Lineage(1), SECOND);
        for whole in Tag::of_whole_event("E") {
            assert!(unknown.contains(&whole), "the first ones are not forgotten");
        }
    }
}

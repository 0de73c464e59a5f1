//! Tags that others have marked: a guarded mutation is about to change them, and may never say that it did.
//!
//! Whoever reads a tag's version sees a mark under it. A load that asked for none, because the shared tier was not to be
//! asked or did not answer, is as blind as it was before: it is kept only where no mark is known to stand. One that
//! was published while this process was deaf is known when it is renewed; until then what was loaded so is believed
//! for no longer than the bound.

use std::{collections::HashMap, time::Duration};

use super::ledger::MOST_TAGS;
use crate::{
    clock::{Nanos, after},
    event::Tag,
    lock::Mutex,
};

/// Of a writer that died nobody says that its mark is gone; longer than a load takes that met it, and than a mutation.
const LONGEST: Duration = Duration::from_mins(5);

#[derive(Debug, Default)]
pub(super) struct Marks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Until when each is taken to be marked.
    tags: HashMap<Tag, Nanos>,
    /// Until when all are: those of a crowd are not told apart.
    all: Nanos,
}

impl Marks {
    /// It stands, if that is still so when nobody can say otherwise.
    pub(super) fn add(&self, tag: &Tag, now: Nanos, is_so: impl FnOnce() -> bool) {
        let (mut state, until) = (self.0.lock(), after(now, LONGEST));
        if !is_so() {
            return;
        }
        if state.tags.len() >= MOST_TAGS {
            state.tags.retain(|_, until| now < *until);
        }
        if state.tags.len() >= MOST_TAGS && !state.tags.contains_key(tag) {
            state.tags.clear();
            state.all = until;
            return;
        }
        state.tags.insert(tag.clone(), until);
    }

    /// It has a version again.
    pub(super) fn remove(&self, tag: &Tag) {
        self.0.lock().tags.remove(tag);
    }

    pub(super) fn has<'a>(&self, mut tags: impl Iterator<Item = &'a Tag>, now: Nanos) -> bool {
        let state = self.0.lock();
        let stands = |tag| state.tags.get(tag).is_some_and(|until| now < *until);
        now < state.all || tags.any(stands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Nanos = 60_000_000_000;

    #[test]
    fn a_mark_stands_until_there_is_a_version_or_its_writer_must_be_dead() {
        let (marks, tags) = (Marks::default(), ["E:1", "E:2"].map(Tag::from_name));
        let has = |tag: usize, now| marks.has([&tags[tag]].into_iter(), now);
        marks.add(&tags[1], MINUTE, || false);
        marks.add(&tags[0], MINUTE, || true);
        assert!(has(0, MINUTE) && has(0, 5 * MINUTE) && !has(1, MINUTE));
        assert!(!has(0, 6 * MINUTE));
        marks.add(&tags[0], 5 * MINUTE, || true);
        assert!(has(0, 9 * MINUTE), "its writer has renewed it");
        marks.remove(&tags[0]);
        assert!(!has(0, MINUTE));
    }

    #[test]
    fn of_a_crowd_of_marks_none_is_forgotten() {
        let marks = Marks::default();
        let tag = |id: usize| Tag::from_name(&format!("E:{id}"));
        (0..30_000).for_each(|id| marks.add(&tag(id), MINUTE, || true));
        assert!(marks.has([&tag(1)].into_iter(), 2 * MINUTE));
        assert!(marks.0.lock().tags.len() <= MOST_TAGS);
    }
}

//! Tags that others have marked: a guarded mutation is about to change them, and may never say that it did.
//!
//! Whoever reads a tag's version sees a mark under it. A load that asked for none, because the shared tier was not to be
//! asked or did not answer, is as blind as it was before: it is kept only where no mark is known to have stood since it
//! began. One that was published while this process was deaf is known when it is renewed; until then what was loaded so
//! is believed for no longer than the bound.

use std::{collections::HashMap, time::Duration};

use super::{GUARD, ledger::MOST_TAGS};
use crate::{
    clock::{Nanos, after},
    event::Tag,
    lock::Mutex,
};

/// A mark that has ended is remembered for loads that began before: longer than any of them takes.
const LONGEST: Duration = Duration::from_mins(5);

#[derive(Debug, Default)]
pub(super) struct Marks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    tags: HashMap<Tag, Stand>,
    /// Until when all are taken to be marked: those of a crowd are not told apart.
    all: Nanos,
}

#[derive(Clone, Copy, Debug)]
struct Stand {
    /// When it was last heard of or met, and in which gap.
    known: Nanos,
    gap: u64,
    /// Until when it is taken to stand: nobody says that the mark of a dead writer is gone.
    until: Nanos,
}

impl Marks {
    /// It stands, if that is still so when nobody can say otherwise.
    pub(super) fn add(&self, tag: &Tag, gap: u64, now: Nanos, is_so: impl FnOnce() -> bool) {
        let (mut state, until) = (self.0.lock(), after(now, GUARD));
        if !is_so() {
            return;
        }
        if state.tags.len() >= MOST_TAGS {
            state
                .tags
                .retain(|_, stand| now < after(stand.until, LONGEST));
        }
        if state.tags.len() >= MOST_TAGS && !state.tags.contains_key(tag) {
            state.tags.clear();
            state.all = until;
            return;
        }
        let known = now;
        state.tags.insert(tag.clone(), Stand { known, gap, until });
    }

    /// It has a version again, and what was loaded before is void.
    pub(super) fn remove(&self, tag: &Tag) {
        self.0.lock().tags.remove(tag);
    }

    /// Somebody asked the server at `asked`, by whose answer at `now` it is not marked.
    pub(super) fn end(&self, tag: &Tag, asked: Nanos, now: Nanos) {
        let mut state = self.0.lock();
        if let Some(stand) = state.tags.get_mut(tag)
            // What was heard since may be of another one.
            && stand.known < asked
        {
            stand.until = stand.until.min(now);
        }
    }

    /// Whether one of these may have been marked at that time or later.
    pub(super) fn has<'a>(&self, mut tags: impl Iterator<Item = &'a Tag>, since: Nanos) -> bool {
        let state = self.0.lock();
        let stood = |tag| {
            let stand = state.tags.get(tag);
            stand.is_some_and(|stand| since < stand.until)
        };
        since < state.all || tags.any(stood)
    }

    /// Whether one of these may be marked now; any at all, where not all are known.
    pub(super) fn may_stand(&self, tags: &[Tag], is_late: bool, now: Nanos) -> bool {
        let stands = || {
            let state = self.0.lock();
            let mut marked = state.tags.values();
            now < state.all || marked.any(|stand| now < stand.until)
        };
        self.has(tags.iter(), now) || is_late && stands()
    }

    /// Those that are known from before this gap, in which their end may have been missed; `most` of them.
    pub(super) fn doubted(&self, gap: u64, now: Nanos, most: usize) -> DoubtedMarks {
        let state = self.0.lock();
        let is_doubted = |stand: &Stand| stand.gap != gap && now < stand.until;
        let doubted = state.tags.iter().filter(|(_, stand)| is_doubted(stand));
        let mut tags: Vec<_> = doubted.map(|(tag, _)| tag.clone()).collect();
        // Hash maps have no order, and a run must be the same twice.
        tags.sort_unstable();
        tags.truncate(most);
        DoubtedMarks {
            gap,
            since: now,
            tags,
        }
    }

    /// It was asked whether these stand.
    pub(super) fn settle(&self, doubted: &DoubtedMarks, are_there: &[bool], now: Nanos) {
        for (tag, is_there) in doubted.tags.iter().zip(are_there) {
            if !is_there {
                self.end(tag, doubted.since, now);
            } else if let Some(stand) = self.0.lock().tags.get_mut(tag) {
                // What was heard since may have been that it is gone: then it is not here.
                stand.gap = doubted.gap;
                stand.until = after(now, GUARD);
            }
        }
    }
}

/// Marks of which nobody here knows whether they still stand.
#[derive(Debug)]
pub(crate) struct DoubtedMarks {
    gap: u64,
    since: Nanos,
    pub(super) tags: Vec<Tag>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn known(marks: &Marks, tag: &Tag, now: Nanos) {
        marks.add(tag, 1, now, || true);
    }

    #[test]
    fn a_mark_stands_until_there_is_a_version_or_its_writer_must_be_dead() {
        let (marks, tags) = (Marks::default(), ["E:1", "E:2"].map(Tag::from_name));
        let has = |tag: usize, since| marks.has([&tags[tag]].into_iter(), since);
        marks.add(&tags[1], 1, SECOND, || false);
        known(&marks, &tags[0], SECOND);
        assert!(has(0, SECOND) && has(0, 30 * SECOND) && !has(1, SECOND));
        assert!(!has(0, 31 * SECOND));
        known(&marks, &tags[0], 11 * SECOND);
        assert!(has(0, 40 * SECOND), "its writer has renewed it");
        marks.remove(&tags[0]);
        assert!(!has(0, SECOND));
    }

    #[test]
    fn a_load_that_began_under_a_mark_finds_it_however_it_ended() {
        let (marks, tag) = (Marks::default(), Tag::from_name("E:1"));
        let has = |since| marks.has([&tag].into_iter(), since);
        known(&marks, &tag, SECOND);
        assert!(has(30 * SECOND), "it is asked for when the load ends");
        marks.end(&tag, SECOND, 5 * SECOND);
        assert!(has(30 * SECOND), "it may be one that was made later");
        marks.end(&tag, 4 * SECOND, 5 * SECOND);
        assert!(has(4 * SECOND) && !has(5 * SECOND));
    }

    #[test]
    fn whether_a_mark_stands_is_asked_where_its_end_may_have_been_missed() {
        let (marks, tag) = (Marks::default(), Tag::from_name("E:1"));
        known(&marks, &tag, SECOND);
        let doubted = |gap, now| marks.doubted(gap, now, 9);
        let count = |gap, now| doubted(gap, now).tags.len();
        assert_eq!(
            [count(1, SECOND), count(2, SECOND), count(2, 31 * SECOND)],
            [0, 1, 0]
        );
        marks.settle(&doubted(2, 20 * SECOND), &[true], 21 * SECOND);
        assert_eq!([count(2, 22 * SECOND), count(3, 22 * SECOND)], [0, 1]);
        marks.settle(&doubted(3, 40 * SECOND), &[false], 41 * SECOND);
        let has = |since| marks.has([&tag].into_iter(), since);
        assert!(has(40 * SECOND) && !has(41 * SECOND));
        let asked = doubted(4, 40 * SECOND);
        marks.remove(&tag);
        marks.settle(&asked, &[true], 41 * SECOND);
        assert!(!has(SECOND), "it was heard meanwhile that it is gone");
    }

    #[test]
    fn of_a_crowd_of_marks_none_is_forgotten() {
        let marks = Marks::default();
        let tag = |id: usize| Tag::from_name(&format!("E:{id}"));
        (0..30_000).for_each(|id| known(&marks, &tag(id), SECOND));
        assert!(marks.has([&tag(1)].into_iter(), 2 * SECOND));
        assert!(marks.0.lock().tags.len() <= MOST_TAGS);
    }
}

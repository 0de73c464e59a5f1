//! What was invalidated here within the last minute, also where no cell was alive: for values whose tags are known
//! only after their load.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use super::ledger::{MOST_TAGS, WINDOW};
use crate::{
    clock::{Nanos, before},
    event::Tag,
    lock::Mutex,
};

#[derive(Debug, Default)]
pub(super) struct Recent {
    state: Mutex<State>,
    is_wanted: AtomicBool,
}

/// Tags of all events together: more are forgotten, and with them what else is known of that time.
const MOST: usize = 10 * MOST_TAGS;

#[derive(Debug, Default)]
struct State {
    /// From when on all is remembered; nothing while nobody has asked.
    notes: Option<Notes>,
    /// By event: a crowd of them is one that all are in.
    events: HashMap<String, HashMap<Tag, Last>>,
    /// About how many there are.
    count: usize,
    purged: Nanos,
    latest: Nanos,
    /// How often anything was.
    number: u64,
}

/// From where on all is remembered: both say the same, one of them exactly.
#[derive(Clone, Copy, Debug)]
struct Notes {
    since: Nanos,
    /// What was counted as one of these or less is forgotten.
    number: u64,
}

/// When a tag was last invalidated, and as which of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Last {
    at: Nanos,
    number: u64,
}

/// How long nothing has changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quiet {
    pub(crate) time: Duration,
    /// Something changed before. Else nobody knows what did, nor when.
    pub(crate) is_sure: bool,
}

impl Recent {
    /// Somebody is going to ask of what happens from here on.
    pub(super) fn want(&self, now: Nanos) {
        if !self.is_wanted.load(Relaxed) {
            self.state.lock().notes(now);
            self.is_wanted.store(true, Relaxed);
        }
    }

    /// These were invalidated.
    pub(super) fn add<'a>(&self, tags: impl IntoIterator<Item = &'a Tag>, now: Nanos) {
        let mut state = self.state.lock();
        state.number += 1;
        if state.notes.is_none() {
            return;
        }
        let now = now.max(state.latest);
        state.latest = now;
        state.purge(now);
        let last = Last {
            at: now,
            number: state.number,
        };
        for tag in tags {
            if state.count >= MOST {
                (state.events, state.count) = (HashMap::new(), 0);
                state.begin(now);
            }
            state.count += 1;
            let known = state.events.entry(tag.event().to_owned()).or_default();
            if known.len() >= MOST_TAGS && !known.contains_key(tag) {
                *known = Tag::of_whole_event(tag.event())
                    .map(|whole| (whole, last))
                    .into();
            }
            known.insert(tag.clone(), last);
        }
    }

    /// Something may have been missed.
    pub(super) fn tear(&self, now: Nanos) {
        let mut state = self.state.lock();
        state.number += 1;
        if state.notes.is_some() {
            state.begin(now);
        }
    }

    /// Whether none of these was invalidated since then, as far as that is known: not of times before somebody asked, nor
    /// long ago. Where `known` is how many invalidations had been counted by then, that is exact, as the clock is not.
    pub(super) fn is_quiet(
        &self,
        tags: &[Tag],
        since: Nanos,
        known: Option<u64>,
        now: Nanos,
    ) -> bool {
        let mut state = self.state.lock();
        let notes = state.notes(now);
        // Others may have looked at the clock since, and have what was old by that forgotten.
        let now = now.max(state.purged);
        let is_known = match known {
            Some(known) => known >= notes.number,
            None => since >= notes.since,
        };
        if !is_known || since < before(now, WINDOW) {
            return false;
        }
        let is_later = |last: Last| match known {
            Some(known) => last.number > known,
            None => last.at >= since,
        };
        !tags.iter().any(|tag| state.last(tag).is_some_and(is_later))
    }

    /// Since when none of these was invalidated, as far as that is known.
    pub(super) fn quiet(&self, tags: &[Tag], now: Nanos) -> Quiet {
        let mut state = self.state.lock();
        // From here on, where there were no notes.
        let notes = state.notes(now);
        let last = tags.iter().filter_map(|tag| state.last(tag)).max();
        let last = last.filter(|last| last.number > notes.number);
        let since = last.map_or(notes.since, |last| last.at);
        Quiet {
            time: Duration::from_nanos(now.saturating_sub(since)),
            is_sure: last.is_some(),
        }
    }

    /// The same without what versions tell: of times long ago nothing is known.
    pub(super) fn quiet_of_late(&self, tags: &[Tag], now: Nanos) -> Quiet {
        let quiet = self.quiet(tags, now);
        if quiet.time < WINDOW {
            return quiet;
        }
        Quiet {
            time: WINDOW,
            is_sure: true,
        }
    }
}

impl State {
    /// From where on there are notes: from here on, where there were none.
    fn notes(&mut self, now: Nanos) -> Notes {
        match self.notes {
            Some(notes) => notes,
            None => self.begin(now),
        }
    }

    /// Nothing of before is remembered.
    fn begin(&mut self, now: Nanos) -> Notes {
        // What was invalidated at this very moment is among it.
        let notes = Notes {
            since: now.saturating_add(1),
            number: self.number,
        };
        *self.notes.insert(notes)
    }

    fn last(&self, tag: &Tag) -> Option<Last> {
        self.events.get(tag.event())?.get(tag).copied()
    }

    fn purge(&mut self, now: Nanos) {
        if self.purged > before(now, WINDOW / 4) {
            return;
        }
        self.purged = now;
        let oldest = before(now, WINDOW);
        self.events.retain(|_, known| {
            known.retain(|_, last| last.at >= oldest);
            !known.is_empty()
        });
        self.count = self.events.values().map(HashMap::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn of_what_is_forgotten_it_is_not_known_how_long_it_has_been_quiet() {
        let recent = Recent::default();
        let [one, two] = ["E:1", "E:2"].map(|name| [Tag::from_name(name)]);
        let quiet_for = |seconds| recent.quiet_of_late(&one, seconds * SECOND).time.as_secs();
        quiet_for(100);
        recent.add(&one, 200 * SECOND);
        assert_eq!(quiet_for(230), 30);
        // It has them look for what is long ago.
        recent.add(&two, 270 * SECOND);
        assert_eq!(quiet_for(270), 60, "it may have been 170 s, or 70 s");
    }

    #[test]
    fn what_was_invalidated_since_is_not_quiet_and_the_unknown_is_not_either() {
        let recent = Recent::default();
        let [one, two] = ["E:1", "E:2"].map(|name| [Tag::from_name(name)]);
        recent.add(&one, 100 * SECOND);
        assert!(
            !recent.is_quiet(&one, 99 * SECOND, None, 100 * SECOND),
            "nobody took notes"
        );
        assert!(recent.is_quiet(&one, 101 * SECOND, None, 102 * SECOND));
        recent.add(&one, 103 * SECOND);
        assert!(!recent.is_quiet(&one, 102 * SECOND, None, 104 * SECOND));
        assert!(recent.is_quiet(&two, 102 * SECOND, None, 104 * SECOND));
        recent.tear(105 * SECOND);
        assert!(!recent.is_quiet(&two, 104 * SECOND, None, 106 * SECOND));
        assert!(
            !recent.is_quiet(&two, 106 * SECOND, None, 200 * SECOND),
            "too long ago"
        );
    }

    #[test]
    fn what_was_invalidated_before_anybody_asked_is_not_quiet_though_the_clock_has_not_moved_since()
    {
        let (recent, one) = (Recent::default(), [Tag::from_name("E:1")]);
        recent.add(&one, SECOND);
        let is_quiet = |known| recent.is_quiet(&one, SECOND, known, SECOND);
        assert!(!is_quiet(None) && !is_quiet(Some(0)) && is_quiet(Some(1)));
        recent.tear(SECOND);
        assert!(!is_quiet(Some(1)) && is_quiet(Some(2)));
    }

    #[test]
    fn what_was_invalidated_since_somebody_asked_is_known_though_the_clock_has_not_moved() {
        let (recent, one) = (Recent::default(), [Tag::from_name("E:1")]);
        recent.add(&one, SECOND);
        assert!(!recent.quiet(&one, SECOND).is_sure, "nobody took notes");
        recent.add(&one, SECOND);
        let quiet = recent.quiet(&one, 3 * SECOND);
        assert_eq!((quiet.time.as_secs(), quiet.is_sure), (2, true));
        recent.tear(3 * SECOND);
        assert!(!recent.quiet(&one, 3 * SECOND).is_sure);
    }

    #[test]
    fn what_was_counted_before_is_quiet_though_the_clock_has_not_moved_since() {
        let (recent, one) = (Recent::default(), [Tag::from_name("E:1")]);
        assert!(recent.is_quiet(&[], SECOND, Some(0), SECOND));
        recent.add(&one, 2 * SECOND);
        let is_quiet = |known| recent.is_quiet(&one, 2 * SECOND, known, 2 * SECOND);
        assert!(!is_quiet(None) && !is_quiet(Some(0)) && is_quiet(Some(1)));
    }

    #[test]
    fn of_more_events_than_can_be_remembered_none_is_taken_to_be_quiet() {
        let recent = Recent::default();
        let tag = |id: usize| Tag::from_name(&format!("E{id}:1"));
        assert!(recent.is_quiet(&[], SECOND, Some(0), SECOND));
        for id in 0..=MOST {
            recent.add([&tag(id)], 2 * SECOND);
        }
        assert!(recent.state.lock().events.len() <= MOST);
        assert!(!recent.is_quiet(&[tag(1)], SECOND, None, 3 * SECOND));
        assert!(!recent.is_quiet(&[tag(1)], 2 * SECOND, None, 3 * SECOND));
        assert!(recent.is_quiet(&[tag(1)], 3 * SECOND, None, 3 * SECOND));
    }

    #[test]
    fn a_crowd_of_one_event_is_remembered_as_all_of_it() {
        let recent = Recent::default();
        let tag = |id: usize| Tag::from_name(&format!("E:{id}"));
        assert!(recent.is_quiet(&[], SECOND, Some(0), SECOND));
        for id in 0..30_000 {
            recent.add([&tag(id)], 2 * SECOND);
        }
        let interests = [tag(1), Tag::of_whole_event("E")[0].clone()];
        assert!(!recent.is_quiet(&interests, SECOND, None, 3 * SECOND));
    }
}

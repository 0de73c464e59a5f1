//! The last version each server has reported per tag lately, the highest where their order is unknown: a server that reports
//! less has lost writes, or is another one.

use std::{collections::HashMap, hash::BuildHasher};

use super::{
    ledger::WINDOW,
    mutant::{self, Mutant},
    rules,
    version::{Lineage, Version},
};
use crate::{
    clock::{LONGEST_STEP, Nanos, before},
    event::Tag,
    key::KeyHasher,
    lock::Mutex,
};

/// Of so many tags, in each window.
const MOST: usize = 50_000;

/// What a server says of a tag while it is marked, or has given it up as it is full: it will say more than any number that
/// it has said, and nobody knows yet what. Until it is heard, it has forgotten that if it says a number.
const UNKNOWN: u64 = u64::MAX;

#[derive(Debug, Default)]
pub(super) struct Said(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    lineage: Lineage,
    hasher: KeyHasher,
    /// By the hashes of tags; those of the time before too.
    versions: [HashMap<u64, LastWord>; 2],
    since: Nanos,
}

#[derive(Clone, Copy, Debug)]
struct LastWord {
    version: u64,
    /// When it was known.
    at: Nanos,
    /// When it had not been given yet.
    since: Nanos,
    /// A larger number that this one came behind; zero where there is none.
    larger_before: u64,
}

impl LastWord {
    fn is_contradicted_by(&self, says: u64, (own, other): (Lineage, Lineage), now: Nanos) -> bool {
        // A version never comes back: whatever was said since is more than that. Nor is it more than the time that has passed:
        // one from a clock that was ahead is from before.
        let known = if says == self.larger_before || says > self.most_by(now) {
            UNKNOWN
        } else {
            self.version
        };
        rules::has_forgotten((known, own), (says, other))
    }

    /// What the clock of the server, in microseconds, can have given since: it may run faster by a thousandth, and this
    /// process's own stands still between its steps.
    fn most_by(&self, now: Nanos) -> u64 {
        let passed = (now + LONGEST_STEP).saturating_sub(self.since) / 1_000;
        self.version.saturating_add(passed + passed / 1_000)
    }
}

impl Said {
    /// The server has published this at `since` or later, and behind all that it had published before.
    pub(super) fn add_heard(
        &self,
        tag: &Tag,
        version: Version,
        lineage: Lineage,
        (since, now): (Nanos, Nanos),
    ) {
        self.put(tag, version, lineage, (since, now, true));
    }

    /// The server has answered this, at `since` or later. What was heard of it meanwhile may be from behind that.
    pub(super) fn add_answer(
        &self,
        tag: &Tag,
        version: Version,
        lineage: Lineage,
        (since, now): (Nanos, Nanos),
    ) {
        self.put(tag, version, lineage, (since, now, false));
    }

    /// What comes behind what was known at `since` counts, though it may be a smaller number, as a tag gets that was evicted,
    /// where the clock was ahead before.
    fn put(
        &self,
        tag: &Tag,
        version: Version,
        lineage: Lineage,
        (since, now, is_in_order): (Nanos, Nanos, bool),
    ) {
        let version = match version {
            // A full server gives it up, and tells of it as of 0.
            Version::Number(0) | Version::Missing | Version::Marked => UNKNOWN,
            Version::Number(version) => version,
        };
        let mut state = self.0.lock();
        if state.lineage != lineage {
            (state.lineage, state.versions) = (lineage, Default::default());
        }
        state.forget(now);
        let hash = state.hasher.hash_one(tag);
        let mut new = LastWord {
            version,
            at: now,
            since,
            larger_before: 0,
        };
        for words in &mut state.versions {
            let is_behind = |known: &LastWord| {
                let resolves = known.version == UNKNOWN && is_in_order;
                resolves || known.at < since && !mutant::is(Mutant::B24)
            };
            if !words.get(&hash).is_some_and(is_behind) {
                continue;
            }
            // It is known now, or is said again below.
            let before = words.remove(&hash);
            let before = before.filter(|before| before.version != UNKNOWN);
            let larger = before.map(|before| before.version.max(before.larger_before));
            let larger = larger.filter(|larger| *larger > version);
            new.larger_before = new.larger_before.max(larger.unwrap_or(0));
        }
        let known = state.versions[0].entry(hash).or_insert(new);
        if known.version < version {
            new.larger_before = new.larger_before.max(known.larger_before);
            *known = new;
        } else if known.version == version {
            known.since = known.since.max(since);
            known.larger_before = known.larger_before.max(new.larger_before);
        }
    }

    /// Whether a server of this lineage that says this of a tag has said more.
    pub(super) fn is_contradicted_by(
        &self,
        tag: &Tag,
        version: Version,
        lineage: Lineage,
        now: Nanos,
    ) -> bool {
        let Version::Number(version) = version else {
            return false;
        };
        let mut state = self.0.lock();
        state.forget(now);
        let hash = state.hasher.hash_one(tag);
        let lineages = (state.lineage, lineage);
        let mut words = state.versions.iter().filter_map(|known| known.get(&hash));
        words.any(|known| known.is_contradicted_by(version, lineages, now))
    }

    /// What another one knows, which has nobody to know it for any more.
    pub(super) fn take_over(&self, other: &Self) {
        let known = std::mem::take(&mut *other.0.lock());
        *self.0.lock() = known;
    }

    pub(super) fn is_empty(&self, now: Nanos) -> bool {
        let mut state = self.0.lock();
        state.forget(now);
        state.versions.iter().all(HashMap::is_empty)
    }
}

impl State {
    /// What is older than two windows, or so many tags; nothing that is younger than one.
    fn forget(&mut self, now: Nanos) {
        if self.since > before(now, WINDOW) && self.versions[0].len() < MOST {
            return;
        }
        let is_long_ago = self.since <= before(now, WINDOW * 2);
        self.since = now;
        self.versions[1] = std::mem::take(&mut self.versions[0]);
        if is_long_ago {
            self.versions[1].clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn a_server_that_says_less_than_it_has_said_is_not_believed_for_as_long_as_that_is_remembered()
    {
        let (said, tag, start) = (Said::default(), Tag::from_name("E:1"), 1_000 * SECOND);
        said.add_heard(&tag, Version::Number(7), Lineage(1), (0, start));
        let says = |version, lineage, then| {
            said.is_contradicted_by(&tag, version, Lineage(lineage), start + then * SECOND)
        };
        assert!(says(Version::Number(6), 1, 1));
        assert!(!says(Version::Number(7), 1, 1) && !says(Version::Number(8), 1, 1));
        // Versions of other servers are compared with nothing, and a tag that is gone is a miss.
        assert!(!says(Version::Number(6), 2, 1) && !says(Version::Missing, 1, 1));
        assert!(says(Version::Number(6), 1, 59));
        assert!(!says(Version::Number(6), 1, 180), "it is long ago");
    }

    #[test]
    fn a_server_that_has_forgotten_that_it_gave_a_tag_up_is_not_believed() {
        for given_up in [Version::Missing, Version::Number(0)] {
            let (said, tag, start) = (Said::default(), Tag::from_name("E:1"), 1_000 * SECOND);
            let says = |version| said.is_contradicted_by(&tag, version, Lineage(1), start);
            assert!(
                !says(Version::Number(7)),
                "of what was only read nothing is remembered"
            );
            said.add_heard(&tag, given_up, Lineage(1), (0, start));
            assert!(says(Version::Number(7)) && !says(Version::Missing));
            said.add_heard(&tag, Version::Number(9), Lineage(1), (0, start));
            assert!(says(Version::Number(7)) && !says(Version::Number(9)));
        }
    }

    #[test]
    fn behind_a_clock_that_was_ahead_the_smaller_version_is_the_later_one() {
        let (said, tag, start) = (Said::default(), Tag::from_name("E:1"), 1_000 * SECOND);
        let says = |version| {
            said.is_contradicted_by(&tag, Version::Number(version), Lineage(1), start + SECOND)
        };
        let add = |version, since, now| {
            said.add_heard(&tag, Version::Number(version), Lineage(1), (since, now));
        };
        add(1_000, start, start + 1);
        add(500, start, start + 2);
        assert!(says(500) && !says(1_000), "which of both is unknown");
        add(600, start + 3, start + 4);
        assert!(!says(600) && says(500) && says(1_000));
        add(700, start + 5, start + 6);
        assert!(!says(700) && says(600) && says(1_000));
        assert!(!says(800), "another process has bumped it");
    }

    #[test]
    fn an_answer_that_comes_late_says_nothing_of_what_was_heard_meanwhile() {
        let (said, tag, start) = (Said::default(), Tag::from_name("E:1"), 1_000 * SECOND);
        let says = |version| {
            said.is_contradicted_by(&tag, Version::Number(version), Lineage(1), start + 10)
        };
        said.add_heard(&tag, Version::Missing, Lineage(1), (start + 8, start + 9));
        let sent = start + 5;
        said.add_answer(&tag, Version::Number(7), Lineage(1), (sent, start + 10));
        assert!(says(7), "it has given the tag up since");
        said.add_heard(&tag, Version::Number(8), Lineage(1), (sent, start + 10));
        assert!(says(7) && !says(8));
    }

    #[test]
    fn what_came_before_is_remembered_of_a_version_that_is_said_twice() {
        let (said, tag, start) = (Said::default(), Tag::from_name("E:1"), 1_000 * SECOND);
        let add = |version, since, then| {
            let version = Version::Number(version);
            said.add_heard(&tag, version, Lineage(1), (start + since, start + then));
        };
        add(1_000, 0, 1);
        add(500, 0, 61 * SECOND);
        add(500, SECOND, 62 * SECOND);
        let says = |version| {
            let now = start + 63 * SECOND;
            said.is_contradicted_by(&tag, Version::Number(version), Lineage(1), now)
        };
        assert!(says(1_000) && !says(500) && !says(1_500));
    }

    #[test]
    fn a_version_that_no_clock_can_have_given_since_is_from_before() {
        let (said, tag, start) = (Said::default(), Tag::from_name("E:1"), 1_000 * SECOND);
        said.add_heard(&tag, Version::Number(500), Lineage(1), (start, start + 1));
        let says = |version, then| {
            said.is_contradicted_by(&tag, Version::Number(version), Lineage(1), start + then)
        };
        assert!(says(2_000_000, SECOND) && !says(1_000_000, SECOND));
        assert!(!says(2_000_000, 2 * SECOND), "a later bump may be that");
        assert!(!says(9_000, 0), "the clock here is coarse");
    }

    #[test]
    fn a_server_that_has_forgotten_a_mark_is_not_believed_until_it_says_what_came_of_it() {
        let (said, tag, start) = (Said::default(), Tag::from_name("E:1"), 1_000 * SECOND);
        let add = |version| said.add_heard(&tag, version, Lineage(1), (0, start));
        let says = |version| said.is_contradicted_by(&tag, version, Lineage(1), start);
        add(Version::Number(7));
        add(Version::Marked);
        assert!(says(Version::Number(7)) && says(Version::Number(9)));
        assert!(!says(Version::Marked) && !says(Version::Missing));
        add(Version::Number(9));
        assert!(says(Version::Number(8)) && !says(Version::Number(9)));
    }

    #[test]
    fn of_a_crowd_the_latest_are_remembered() {
        let (said, now) = (Said::default(), 1_000 * SECOND);
        let tag = |id: usize| Tag::from_name(&format!("E:{id}"));
        for id in 0..5 * MOST {
            said.add_heard(&tag(id), Version::Number(7), Lineage(1), (0, now));
        }
        let says_less = |id| said.is_contradicted_by(&tag(id), Version::Number(6), Lineage(1), now);
        assert!((4 * MOST..5 * MOST).all(says_less));
        let remembered = said
            .0
            .lock()
            .versions
            .iter()
            .map(HashMap::len)
            .sum::<usize>();
        assert!(remembered <= 2 * MOST);
    }
}

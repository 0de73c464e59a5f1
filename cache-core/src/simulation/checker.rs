//! What must hold of every value that is served, and at the end.

use super::{
    asking::Said,
    functions::{
        IN_MEMORY, INHERITING, NESTED, Seen, grace_of, lenience_of, serves_unproven, waits_of,
    },
    history::{History, Who},
    network::{MS, Network, load_in},
    plan::Setup,
};
use crate::{
    clock::{Nanos, nanos, system_now},
    coherence::GUARD,
    explain::Stale,
};

/// How long a flight may ask before it loads, where answers are seen as they arrive.
const FLIGHT: Nanos = 250 * MS;
/// How often it asks.
const QUESTIONS: Nanos = 2;

/// One call that gave a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served<'a> {
    pub(super) who: Who,
    pub(super) start: Nanos,
    pub(super) function: usize,
    pub(super) seen: &'a Seen,
    pub(super) said: Said,
}

impl Served<'_> {
    /// When it had to be known that an event made it void, for it not to be served.
    fn known_at(&self) -> Nanos {
        let lenience = lenience_of(self.function);
        if self.said.may_be(Stale::Invalidated) {
            self.start.saturating_sub(nanos(lenience))
        } else {
            self.start
        }
    }

    /// It may stand in for a load that failed, where nobody can say whether it is void.
    fn may_be_unproven(&self) -> bool {
        serves_unproven(self.function) && self.said.may_be(Stale::Unproven)
    }
}

impl Network {
    /// What is wrong with a value.
    pub(super) fn judge(&self, served: &Served<'_>, setup: &Setup) -> Option<String> {
        let Served {
            who, start, seen, ..
        } = *served;
        let known_at = served.known_at();
        // What nobody can prove is served without a bound.
        let bound = if served.may_be_unproven() {
            Nanos::MAX / 2
        } else {
            setup.bound * MS
        };
        let is_astray = self.is_astray(who.process, start.saturating_sub(setup.bound * MS));
        for (row, version) in &seen.rows {
            for (number, commit) in self.commits_after(*row, *version) {
                if let Some(reason) = History::must_see(commit, who, known_at, bound, is_astray) {
                    return Some(format!(
                        "{reason}, yet process {} was served row {row} as of commit {version} and not {number}, in {}",
                        who.process, seen.load
                    ));
                }
            }
        }
        self.judge_origin(served, setup, is_astray)
    }

    /// Commits that a value of a row does not contain.
    pub(super) fn commits_after(
        &self,
        row: u8,
        version: u64,
    ) -> impl Iterator<Item = (u64, &super::history::Commit)> {
        let numbered = (1..).zip(&self.history.commits);
        numbered
            .filter(move |(number, commit)| *number > version && commit.rows.contains(&row.into()))
    }

    fn judge_origin(&self, served: &Served<'_>, setup: &Setup, is_astray: bool) -> Option<String> {
        let Served {
            who, start, seen, ..
        } = *served;
        let number = load_in(seen.load.as_bytes())?;
        let loaded = &self.history.loads[number];
        let now = system_now();
        let ended = loaded.ended.unwrap_or(now);
        // What is served while the call goes on was of use at some moment of it.
        let grace = if served.said == Said::Fresh {
            0
        } else {
            nanos(grace_of(served.function))
        };
        if !setup.steps_clock && start > ended + (setup.ttl + 1) * MS + grace {
            return Some(format!("I6: {} is past its hard time", seen.load));
        }
        if !setup.steps_clock
            && !served.may_be_unproven()
            && let Some(wrong) = self.judge_outage(served, ended)
        {
            return Some(wrong);
        }
        if let Some(wrong) = self.judge_guarded(served, ended, setup) {
            return Some(wrong);
        }
        if loaded.by == who || is_astray {
            return None;
        }
        let given = || {
            self.given
                .iter()
                .filter(|given| given.load == number && given.who == who)
        };
        let Some(first) = given().map(|given| given.at).min() else {
            return Some(format!("{} came from nowhere", seen.load));
        };
        // Until the next beat a connection does not know that its server has another.
        let told = |renamed: Nanos| renamed + setup.bound * MS;
        let is_told = |at| {
            !self
                .renamed
                .iter()
                .any(|&renamed| (renamed..=told(renamed)).contains(&at))
        };
        // In a cluster there is none to compare: an entry is on another server than its tags, and these are on several.
        if let Some(lineage) = loaded.lineage
            && given().all(|given| is_told(given.at))
            && given().all(|given| given.lineage != lineage)
        {
            return Some(format!(
                "I8: {} was loaded under lineage {lineage}",
                seen.load
            ));
        }
        for (row, version) in &seen.rows {
            for (number, commit) in self.commits_after(*row, *version) {
                if commit.bumped.is_some_and(|at| at < first) {
                    return Some(format!(
                        "I1: {} was valid after commit {number} of row {row} was bumped",
                        seen.load
                    ));
                }
            }
        }
        None
    }

    /// A process that was deaf for longer than the bound serves nothing from before that, for as long as the changes
    /// of others that were made meanwhile may be on their way: however its versions look, what they are to show may not
    /// have arrived.
    fn judge_outage(&self, served: &Served<'_>, ended: Nanos) -> Option<String> {
        let Served {
            who, start, seen, ..
        } = *served;
        let outage = self.outages[who.process];
        let is_draining = start > outage.hears_since && system_now() < outage.drained_at;
        if !is_draining || ended >= outage.lost_at {
            return None;
        }
        let rows = seen.rows.iter();
        let mut newer = rows.flat_map(|(row, version)| self.commits_after(*row, *version));
        let (number, _) = newer.find(|(_, commit)| commit.at < start)?;
        Some(format!(
            "after an outage: process {} was served {} from before it, and commit {number} was made since",
            who.process, seen.load
        ))
    }

    /// Nothing that was kept hides a guarded change from whoever knew that it comes, nor from anybody for longer than
    /// the bound: also where its writer is dead, and never says that it came.
    fn judge_guarded(&self, served: &Served<'_>, ended: Nanos, setup: &Setup) -> Option<String> {
        let Served {
            who, start, seen, ..
        } = *served;
        if self.has_lost_marks {
            return None;
        }
        // What a caller waited for was not kept.
        let was_kept = ended < start;
        let (bound, known_at) = (setup.bound * MS, served.known_at());
        let rows = seen.rows.iter();
        let mut newer = rows.flat_map(|(row, version)| self.commits_after(*row, *version));
        let (number, _) = newer.find(|(_, commit)| {
            let is_known = |(began, marked): (Nanos, Nanos)| {
                self.listens[who.process] < began && marked <= self.fences[who.process]
            };
            let is_late = !served.may_be_unproven() && commit.at + bound < known_at;
            let is_late = is_late || was_kept && commit.marked.is_some_and(is_known);
            commit.marked.is_some() && commit.at < known_at && is_late
        })?;
        Some(format!(
            "guarded: process {} was served {}, which misses commit {number}",
            who.process, seen.load
        ))
    }

    /// What is wrong with a load that begins.
    pub(super) fn judge_load(&self, number: usize, setup: &Setup) -> Option<String> {
        let new = &self.history.loads[number];
        let (before, _) = self.history.loads.split_at(number);
        let mut same = before
            .iter()
            .filter(|old| old.by == new.by && old.key == new.key);
        let last = same.rfind(|old| !old.is_put)?;
        // The flight of the one before may have begun so long before its load.
        let mut flight = FLIGHT + QUESTIONS * setup.slowest_caller * MS;
        if [INHERITING, NESTED].contains(&new.key.0) {
            // It calls another one first, which does the same.
            flight = 2 * flight + setup.slowest_load * MS;
        }
        flight += waits_of(new.key.0) * MS;
        if new.cause + flight >= last.began {
            return None;
        }
        // How long what was proven is believed.
        let lease = setup.bound * MS / 4 * 3;
        // Whoever may be deaf joins no flight that is older than that, as old as it may be.
        let is_young = new.began + flight < last.began + lease;
        // What asks for no versions is believed for so long only, while it may not have heard of all marks.
        let is_blind = new.key.0 == IN_MEMORY
            && last.began < self.listens[new.by.process] + nanos(GUARD)
            && new.began >= last.began + lease;
        let is_marked = self.guarded > 0 || self.guarded_until >= last.began;
        match last.ended {
            None if is_young => Some(format!(
                "I9: process {} loads {:?} while it loads it",
                new.by.process, new.key
            )),
            Some(ended)
                if !setup.has_faults
                    && !is_marked
                    && new.key.0 < 4
                    && !is_blind
                    && new.began < ended + setup.ttl * MS / 2 =>
            {
                Some(format!(
                    "I13: process {} loads {:?} again for nothing",
                    new.by.process, new.key
                ))
            }
            _ => None,
        }
    }
}

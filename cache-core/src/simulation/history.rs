//! The source of truth, and what is known of every commit: when it was made, when its bump was done, who knew of it.

use std::collections::BTreeMap;

use crate::{clock::Nanos, coherence::MARKED};

pub(super) const ROWS: usize = 4;
pub(super) const PROCESSES: usize = 3;

/// A process between two crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) process: usize,
    pub(super) life: u32,
}

/// One change of the source.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) at: Nanos,
    pub(super) rows: Vec<usize>,
    pub(super) by: Who,
    /// Tags that are to be bumped after it, and when that was last done on the primary.
    tags: BTreeMap<String, Option<Nanos>>,
    /// How often all of them are bumped, and how often they were: those of several buckets of a cluster are once more when
    /// all were.
    rounds: u32,
    rounds_done: u32,
    /// When all of them were for the last time.
    pub(super) bumped: Option<Nanos>,
    /// A server forgot some of it since, and was not told again yet.
    is_lost: bool,
    /// From when until when all were being told that it would come, where they were.
    pub(super) marked: Option<(Nanos, Nanos)>,
    /// When whoever made it went on.
    pub(super) returned: Option<Nanos>,
    /// Which processes were told, with when they were.
    applied: [BTreeMap<u32, Nanos>; PROCESSES],
    heard: BTreeMap<(usize, u32), Heard>,
    /// Whoever made it died before it was known to have arrived, or its bump was lost with it.
    pub(super) is_excused: bool,
}

/// What a process has heard of a commit.
#[derive(Debug, Default)]
struct Heard {
    rounds: u32,
    /// Of the round that is under way.
    tags: Vec<String>,
}

/// A load under way, or over.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) by: Who,
    pub(super) key: (usize, u8),
    pub(super) began: Nanos,
    pub(super) ended: Option<Nanos>,
    /// The lineage that its tags were last read under.
    pub(super) lineage: Option<u64>,
    pub(super) is_put: bool,
    /// When the process last had a reason to load anew.
    pub(super) cause: Nanos,
}

#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) rows: [u64; ROWS],
    pub(super) commits: Vec<Commit>,
    pub(super) loads: Vec<Loaded>,
    dead: Vec<Who>,
    /// When a tag got a version: `name version`.
    published: BTreeMap<String, Nanos>,
}

/// The name of a tag, `name version` and the origin in each line of a message; nothing in one of another kind.
fn lines(message: &[u8]) -> impl Iterator<Item = (&str, &str, &str)> {
    let text = str::from_utf8(message).expect("messages are texts");
    text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(' ')?;
        let (version, rest) = rest.split_once(' ')?;
        let origin = rest.split(' ').next().unwrap_or_default();
        Some((name, &line[..name.len() + 1 + version.len()], origin))
    })
}

/// Tags are in the bucket of their event.
fn are_of_several_events(tags: &[String]) -> bool {
    let mut events = tags.iter().map(|tag| tag.split([':', '/']).next());
    let first = events.next();
    events.any(|event| Some(event) != first)
}

impl Commit {
    /// Whoever made it goes on; where all was sent, it takes for bumped what was to be, whether it is or not. A server that
    /// forgot it while the answer was under way is told again later.
    pub(super) fn has_returned(&mut self, is_sent: bool, now: Nanos) {
        self.returned.get_or_insert(now);
        if is_sent && !self.is_lost {
            self.bumped.get_or_insert(now);
        }
    }

    /// Whether all of its tags were bumped once at least.
    pub(super) fn was_bumped(&self) -> bool {
        self.rounds_done > 0
    }
}

impl History {
    /// Writes rows; gives the number of the commit, which is what they hold from here on.
    pub(super) fn commit(&mut self, rows: &[usize], by: Who, tags: Vec<String>, now: Nanos) -> u64 {
        let rounds = if are_of_several_events(&tags) { 2 } else { 1 };
        self.commits.push(Commit {
            rounds,
            rounds_done: 0,
            at: now,
            rows: rows.to_vec(),
            by,
            tags: tags.into_iter().map(|tag| (tag, None)).collect(),
            bumped: None,
            is_lost: false,
            marked: None,
            returned: None,
            applied: Default::default(),
            heard: BTreeMap::new(),
            is_excused: false,
        });
        let number = self.commits.len() as u64;
        for row in rows {
            self.rows[*row] = number;
        }
        number
    }

    pub(super) fn of(&mut self, number: u64) -> &mut Commit {
        let at = usize::try_from(number - 1).expect("commits are few");
        &mut self.commits[at]
    }

    /// A server has bumped tags, and published this.
    pub(super) fn bumped(&mut self, message: &[u8], is_primary: bool, now: Nanos) {
        for (name, stamped, _) in lines(message) {
            self.published.insert(stamped.to_owned(), now);
            for commit in self.commits.iter_mut().filter(|_| is_primary) {
                if let Some(last) = commit.tags.get_mut(name) {
                    *last = Some(now);
                }
            }
        }
        for commit in &mut self.commits {
            if commit.bumped.is_none() && commit.tags.values().all(Option::is_some) {
                commit.rounds_done += 1;
                if commit.rounds_done == commit.rounds {
                    commit.bumped = Some(now);
                    commit.is_lost = false;
                } else {
                    commit.tags.values_mut().for_each(|last| *last = None);
                }
            }
        }
    }

    /// The primary of such tags no longer knows what it was told since.
    pub(super) fn lost_since(&mut self, since: Nanos, is_its: impl Fn(&str) -> bool) {
        for commit in &mut self.commits {
            let mut own = commit.tags.iter().filter(|(tag, _)| is_its(tag));
            let is_lost = own.any(|(_, at)| at.is_some_and(|at| at >= since));
            if is_lost {
                commit.bumped = None;
                commit.is_lost = true;
                commit.rounds_done = 0;
                // Whoever could tell the server again is gone.
                commit.is_excused |= self.dead.contains(&commit.by);
                commit.returned = None;
                commit.applied = Default::default();
                commit.heard.clear();
                commit.tags.values_mut().for_each(|last| *last = None);
            }
        }
    }

    /// A process with this origin was told, and had seen to it when this is called.
    pub(super) fn heard(&mut self, who: Who, own: &str, message: &[u8], now: Nanos) {
        for commit in &mut self.commits {
            let heard = commit.heard.entry((who.process, who.life)).or_default();
            // One mark looks like another, whatever came between them.
            let versions = lines(message).filter(|(_, stamped, _)| !stamped.ends_with(MARKED));
            for (name, stamped, origin) in versions {
                let is_after = self
                    .published
                    .get(stamped)
                    .is_some_and(|at| *at >= commit.at);
                let is_news = is_after && origin != own && commit.tags.contains_key(name);
                if is_news && !heard.tags.iter().any(|known| known == name) {
                    heard.tags.push(name.to_owned());
                }
            }
            if heard.tags.len() < commit.tags.len() {
                continue;
            }
            heard.rounds += 1;
            if heard.rounds < commit.rounds {
                heard.tags.clear();
            } else {
                commit.applied[who.process].entry(who.life).or_insert(now);
            }
        }
    }

    /// A process is gone.
    pub(super) fn died(&mut self, who: Who) {
        self.dead.push(who);
        for commit in &mut self.commits {
            if commit.by == who && commit.bumped.is_none() {
                commit.is_excused = true;
            }
        }
    }

    /// Whoever starts a call at `start` must see this commit, for this reason.
    pub(super) fn must_see(
        commit: &Commit,
        who: Who,
        start: Nanos,
        bound: Nanos,
        is_astray: bool,
    ) -> Option<&'static str> {
        if commit.by == who && commit.returned.is_some_and(|at| at < start) {
            return Some("I3: an own mutation had returned");
        }
        // Who listens to a primary that was replaced hears nothing of the one that is, until it finds that out.
        if is_astray {
            return None;
        }
        let bumped = commit.bumped?;
        // Of several rounds, others may have been heard of that were bumped together with these.
        let is_done = commit.rounds == 1 || bumped < start;
        let applied = commit.applied[who.process].get(&who.life);
        if is_done && applied.is_some_and(|at| *at < start) {
            return Some("I2, I4: this process was told");
        }
        if bumped + bound < start {
            return Some("I5: its bump was done more than the bound before");
        }
        None
    }
}

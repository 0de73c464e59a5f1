//! What is known of one run: when facts changed, when that was acknowledged, and what calls were served.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use super::{
    FACTS, Life, Nanos, RATES, UNKNOWN_OUTCOME, WriteId, journal::Line, life_of, nanos, size::Size,
    value::Loaded,
};

/// What was not written for so long will not be for a while.
const SELDOM: Duration = Duration::from_secs(5);

/// Everything that was told so far.
#[derive(Debug)]
pub(super) struct Evidence {
    facts: Vec<Vec<Change>>,
    writes: HashMap<WriteId, Write>,
    /// What was acknowledged of writes that nobody has made, or not yet.
    early: HashSet<WriteId>,
    pub(super) lives: BTreeMap<Life, Told>,
    /// What was served and not judged yet.
    pub(super) served: Vec<Served>,
    /// What panicked, and where, that nobody has taken note of yet.
    pub(super) panics: Vec<String>,
}

/// One version of a fact: the first is 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) write: WriteId,
    pub(super) committed: Nanos,
    pub(super) acknowledged: Option<Nanos>,
    /// Everybody was told before it was made.
    is_guarded: bool,
}

/// A write, and when its mutation had begun, if its caller went away.
#[derive(Debug)]
pub(super) struct Write {
    first: usize,
    versions: Vec<u32>,
    committed: Nanos,
    /// Its event was acknowledged before.
    is_late: bool,
    dropped: Option<Nanos>,
}

impl Write {
    /// Whether it was committed after the last word about it: then it is told by nobody.
    fn is_late(&self) -> bool {
        let last_word = nanos(UNKNOWN_OUTCOME / 2);
        let is_after = |dropped| self.committed > dropped + last_word;
        self.is_late || self.dropped.is_some_and(is_after)
    }
}

/// What one life of a member told of itself.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Until when it has told all.
    pub(super) mark: Nanos,
    /// Spans that a timer of it took.
    late: Vec<(Nanos, Nanos)>,
    /// What it held, and when.
    pub(super) sizes: Vec<(Nanos, Size)>,
    /// By fact: when its own mutations returned, and the latest version that was written by then.
    own: HashMap<usize, Vec<(Nanos, u32)>>,
}

/// What one call was served, which should be values of neighbouring facts.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) life: Life,
    pub(super) function: String,
    pub(super) source: String,
    pub(super) began: Nanos,
    pub(super) ended: Nanos,
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) values: Vec<u64>,
}

impl Served {
    /// The facts that it was to be values of, and what it was for each.
    pub(super) fn facts(&self) -> impl Iterator<Item = (usize, Option<Loaded>)> {
        let values = self.values.iter().map(|value| Loaded::of_number(*value));
        (self.first..).zip(values)
    }

    /// Whether another life has loaded it.
    pub(super) fn is_of_another(&self) -> bool {
        let mut loaded = self.facts().filter_map(|(_, loaded)| loaded);
        loaded.any(|loaded| loaded.life != self.life)
    }
}

/// What a value misses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Missed {
    /// When the first change was committed that it misses.
    pub(super) committed: Option<Nanos>,
    /// When the first of them was acknowledged, of those that were.
    pub(super) acknowledged: Option<Nanos>,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            facts: vec![Vec::new(); FACTS],
            writes: HashMap::new(),
            early: HashSet::new(),
            lives: BTreeMap::new(),
            served: Vec::new(),
            panics: Vec::new(),
        }
    }
}

impl Evidence {
    /// The versions of neighbouring facts.
    pub(super) fn versions(&self, first: usize, count: usize) -> Vec<u32> {
        let facts = self.facts.iter().skip(first).take(count);
        facts.map(|changes| version(changes.len())).collect()
    }

    /// Whether a fact has not changed for a while.
    pub(super) fn is_seldom(&self, fact: usize, at: Nanos) -> bool {
        let last = self.facts[fact].last();
        last.is_none_or(|last| at - last.committed > nanos(SELDOM))
    }

    /// Neighbouring facts change.
    pub(super) fn write(&mut self, write: WriteId, first: usize, count: usize, committed: Nanos) {
        for changes in self.facts.iter_mut().skip(first).take(count) {
            changes.push(Change {
                write,
                committed,
                acknowledged: None,
                is_guarded: false,
            });
        }
        let write_of = Write {
            first,
            versions: self.versions(first, count),
            committed,
            is_late: self.early.contains(&write),
            dropped: None,
        };
        self.writes.insert(write, write_of);
    }

    /// A member told something.
    pub(super) fn hear(&mut self, life: Life, said: Line) {
        let told = self.lives.entry(life).or_default();
        match said {
            Line::Mark { at } => told.mark = at,
            Line::Late { from, to } => told.late.push((from, to)),
            Line::Served {
                function,
                source,
                began,
                ended,
                first,
                count,
                values,
            } => self.served.push(Served {
                life,
                function,
                source,
                began,
                ended,
                first,
                count,
                values,
            }),
            Line::Returned { write, at } => self.returned(write, at),
            Line::Dropped { write, at } => {
                if let Some(write) = self.writes.get_mut(&write) {
                    write.dropped = Some(at);
                }
            }
            Line::Acknowledged { write, at } => self.acknowledged(write, at),
            Line::Size { at, size } => told.sizes.push((at, size)),
            Line::Panicked { what } => self.panics.push(format!("life {life}: {what}")),
        }
    }

    fn returned(&mut self, write: WriteId, at: Nanos) {
        let told = self.lives.entry(life_of(write)).or_default();
        let Some(write) = self.writes.get(&write) else {
            return;
        };
        for (fact, &version) in (write.first..).zip(&write.versions) {
            let own = told.own.entry(fact).or_default();
            let place = own.partition_point(|&(returned, _)| returned <= at);
            own.insert(place, (at, version));
            let before = place.checked_sub(1).map_or(0, |before| own[before].1);
            own[place].1 = version.max(before);
            let latest = own[place].1;
            own[place..]
                .iter_mut()
                .for_each(|it| it.1 = it.1.max(latest));
        }
    }

    fn acknowledged(&mut self, id: WriteId, at: Nanos) {
        let Some(write) = self.writes.get(&id) else {
            self.early.insert(id);
            return;
        };
        if write.is_late() {
            return;
        }
        for (fact, &version) in (write.first..).zip(&write.versions) {
            let change = &mut self.facts[fact][version as usize - 1];
            change.acknowledged.get_or_insert(at);
        }
    }

    /// Everybody was told of a write before it was made.
    pub(super) fn guard(&mut self, write: WriteId, at: Nanos) {
        self.acknowledged(write, at);
        let all = self
            .facts
            .iter_mut()
            .filter_map(|changes| changes.last_mut());
        for change in all.filter(|change| change.write == write) {
            change.is_guarded = true;
        }
    }

    /// When an event of an item was acknowledged that this life emitted after `since`.
    pub(super) fn acknowledged_again(&self, life: Life, since: Nanos) -> Option<Nanos> {
        // Those of the rates may go to another server.
        let own = self.facts[..RATES].iter().flat_map(|changes| {
            let before = changes.partition_point(|change| change.committed < since);
            let since = changes[before..].iter();
            since.filter(|change| life_of(change.write) == life && !change.is_guarded)
        });
        own.filter_map(|change| change.acknowledged).min()
    }

    /// Whether somebody had written this version by then; all begin with one that nobody wrote.
    pub(super) fn is_written(&self, fact: usize, version: u32, by: Nanos) -> bool {
        let changes = self.facts.get(fact).map_or([].as_slice(), Vec::as_slice);
        let is_early = |change: &Change| change.committed <= by;
        match (version as usize).checked_sub(1) {
            Some(place) => changes.get(place).is_some_and(is_early),
            None => true,
        }
    }

    /// What a member held in that time, in the order in which it said so.
    pub(super) fn sizes(&self, life: Life, from: Nanos, to: Nanos) -> impl Iterator<Item = Size> {
        let told = self.lives.get(&life).into_iter();
        let sizes = told.flat_map(|told| told.sizes.iter());
        let within = sizes.filter(move |(at, _)| (from..to).contains(at));
        within.map(|(_, size)| *size)
    }

    /// What somebody misses who began to ask at `began` and was served this version.
    pub(super) fn missed(&self, fact: usize, version: u32, began: Nanos) -> Missed {
        let later = self.facts[fact].iter().skip(version as usize);
        let mut missed = Missed::default();
        for change in later.take_while(|change| change.committed <= began) {
            missed.committed.get_or_insert(change.committed);
            let acknowledged = change.acknowledged.filter(|at| *at <= began);
            missed.acknowledged = [missed.acknowledged, acknowledged]
                .into_iter()
                .flatten()
                .min();
        }
        missed
    }

    /// The version that a call in this process has to be served at least: that of its own last mutation.
    pub(super) fn own(&self, life: Life, fact: usize, began: Nanos) -> u32 {
        let own = self.lives.get(&life).and_then(|told| told.own.get(&fact));
        let own = own.map_or([].as_slice(), Vec::as_slice);
        let returned = own.partition_point(|&(at, _)| at < began);
        returned.checked_sub(1).map_or(0, |last| own[last].1)
    }

    /// How late timers were at worst in that time: those of one life, or of all.
    pub(super) fn late(&self, life: Option<Life>, from: Nanos, to: Nanos) -> Nanos {
        let asked = self
            .lives
            .iter()
            .filter(|it| life.is_none_or(|life| *it.0 == life));
        let late = asked.flat_map(|(_, told)| &told.late);
        let late = late.filter(|late| late.0 <= to && late.1 >= from);
        late.map(|(from, to)| to - from).max().unwrap_or(0)
    }

    /// A write of this life whose event should have been acknowledged, and was not.
    pub(super) fn untold(&self, life: Life) -> Option<&Write> {
        let changes = self.facts.iter().flatten();
        let open = changes.filter(|it| it.acknowledged.is_none() && life_of(it.write) == life);
        let mut writes = open.map(|change| &self.writes[&change.write]);
        writes.find(|write| !write.is_late())
    }

    /// The changes that were committed in that time, a fact each.
    pub(super) fn changes(&self, from: Nanos, to: Nanos) -> impl Iterator<Item = &Change> {
        let changes = self.facts.iter().flatten();
        changes.filter(move |change| (from..to).contains(&change.committed))
    }
}

fn version(count: usize) -> u32 {
    u32::try_from(count).expect("there is no time for so many")
}

//! Where a soak takes place: a stage, three members, and the truth.

use std::{
    mem,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use super::{
    Life, Nanos, PATIENCE, Plan, Release,
    evidence::Evidence,
    faults::Fault,
    member::Orders,
    nanos, now,
    process::Process,
    service::{Full, Promoted, full_and_usual_after},
    size::{Size, growth},
    source::Source,
    table::{Row, Table},
    verdict::judge,
};
use crate::server::Server;

pub(super) const MEMBERS: usize = 3;

/// What the members, and the server, need to be well again.
const SETTLE: Duration = Duration::from_millis(1_500);

/// The servers that members share entries through, and what may happen to them.
pub(super) trait Stage: Sized + 'static {
    /// All of it, in this order.
    const FAULTS: &'static [Fault<Self>];

    /// # Errors
    ///
    /// Why there can be none here.
    fn start() -> Result<Self, String>;

    /// The servers that take writes.
    fn primaries(&self) -> Vec<&Server>;

    /// Waits until all of them are as they were before something happened to them.
    fn settle(&self) {}

    /// Where a member is to connect to.
    fn url(&self, member: usize) -> String;
}

#[derive(Debug)]
pub(super) struct Ground<S> {
    // In this order they end: who is left does not complain that the others are gone.
    pub(super) members: Vec<Process>,
    pub(super) stage: S,
    pub(super) source: Source,
    pub(super) bound: Duration,
    /// The new primary of a failover, as the fault has seen it.
    pub(super) promoted: Option<Promoted>,
    program: PathBuf,
    lives: Life,
    releases: [Release; MEMBERS],
    table: Table,
}

impl<S: Stage> Ground<S> {
    pub(super) fn new(plan: &Plan) -> Result<Self, String> {
        let mut ground = Self {
            members: Vec::new(),
            stage: S::start()?,
            source: Source::start().expect("a port is free"),
            bound: plan.bound,
            promoted: None,
            program: plan.program.clone(),
            lives: 0,
            releases: [Release::Before; MEMBERS],
            table: Table::new(plan.bound),
        };
        for number in 0..MEMBERS {
            let member = ground.new_life(number);
            ground.members.push(member);
        }
        ground.until_well(now());
        Ok(ground)
    }

    fn new_life(&mut self, number: usize) -> Process {
        self.lives += 1;
        let orders = Orders {
            life: self.lives,
            source: self.source.address().to_string(),
            redis: self.stage.url(number),
            bound: self.bound,
            release: self.releases[number],
        };
        Process::start(&self.program, &orders, &self.source)
    }

    /// Has a member begin again as another release of its program.
    pub(super) fn deploy(&mut self, number: usize, release: Release) {
        self.releases[number] = release;
        self.restart(number);
    }

    /// Has a member, dead or alive, begin again.
    pub(super) fn restart(&mut self, number: usize) {
        self.members[number].kill();
        self.members[number] = self.new_life(number);
    }

    /// One fault from its beginning until all is well again, as a row.
    pub(super) fn suffer(&mut self, fault: &Fault<S>) {
        let from = now();
        (fault.strike)(self);
        let healed = now();
        let recovered = self.until_well(healed);
        thread::sleep(self.bound + SETTLE);
        self.judge(fault, from, recovered);
    }

    /// The writers stop, and everything that they wrote is acknowledged and seen.
    pub(super) fn end(mut self) -> Table {
        let from = now();
        self.members.iter_mut().for_each(Process::quiet);
        thread::sleep(2 * self.bound + SETTLE);
        self.until_nothing_is_untold();
        // Of the end: nobody writes any more.
        self.judge(&Fault::new("nobody writes any more", |_| ()), from, 0);
        self.judge_sizes();
        self.table
    }

    fn judge_sizes(&mut self) {
        let evidence = self.source.evidence();
        for (life, told) in &evidence.lives {
            let sizes: Vec<_> = told.sizes.iter().map(|(_, size)| *size).collect();
            if let Some(what) = growth(&sizes) {
                self.table.has_grown(format!("life {life} {what}"));
            }
        }
    }

    /// Waits until an event that was emitted after `healed` is acknowledged in every member, and gives how long it took.
    fn until_well(&mut self, healed: Nanos) -> Nanos {
        let begin = Instant::now();
        loop {
            for member in &mut self.members {
                let panics = || self.source.evidence().panics.join("\n");
                assert!(!member.has_ended(), "a member has ended: {}", panics());
            }
            let lives = self.members.iter().map(|member| member.life);
            let evidence = self.source.evidence();
            let told = lives.map(|life| evidence.acknowledged_again(life, healed));
            if let Some(told) = told.collect::<Option<Vec<_>>>() {
                return told.into_iter().max().map_or(0, |at| at - healed);
            }
            drop(evidence);
            assert!(
                begin.elapsed() < PATIENCE,
                "no event is acknowledged for {PATIENCE:?} although the fault is over"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until Redis has acknowledged all that was written by who is still there.
    fn until_nothing_is_untold(&self) {
        let begin = Instant::now();
        for member in &self.members {
            let life = member.life;
            // A member that is waited for has to be heard meanwhile.
            let untold = || {
                let evidence = self.source.evidence();
                evidence.untold(life).map(|write| format!("{write:?}"))
            };
            while let Some(write) = untold() {
                assert!(
                    begin.elapsed() < PATIENCE,
                    "no event of a {write} in life {life} is acknowledged"
                );
                thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Waits until the members have told all that happened before a moment.
    fn until_told(&self, moment: Nanos) {
        let begin = Instant::now();
        let is_told = |life| {
            let evidence = self.source.evidence();
            evidence
                .lives
                .get(&life)
                .is_some_and(|told| told.mark >= moment)
        };
        while !self.members.iter().all(|member| is_told(member.life)) {
            assert!(
                begin.elapsed() < PATIENCE,
                "a member tells nothing any more"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn judge(&mut self, fault: &Fault<S>, from: Nanos, recovered: Nanos) {
        let to = now();
        self.until_told(to);
        let mut row = self.begin_row(fault, from, to);
        row.recovered = recovered;
        let (told, later): (Vec<_>, Vec<_>) = {
            let served = mem::take(&mut self.source.evidence().served);
            // Of what is served later, not all is known that was acknowledged before.
            served.into_iter().partition(|served| served.began < to)
        };
        self.source.evidence().served.extend(later);
        row.full_service = self.promoted.take().map(|promoted| {
            let lives: Vec<_> = self.members.iter().map(|member| member.life).collect();
            let full = full_and_usual_after(promoted, &lives, &self.source.evidence(), &told);
            full.unwrap_or(Full::NEVER)
        });
        for served in &told {
            // Not for all of them at once: members write meanwhile.
            let verdict = judge(&self.source.evidence(), served, nanos(self.bound));
            row.reads += 1;
            row.stale.extend(verdict.stale);
            row.excused.extend(verdict.excused);
            row.violations.extend(verdict.violation);
            row.took.push(verdict.took);
        }
        row.panics = mem::take(&mut self.source.evidence().panics);
        self.table.add(row);
        self.table.add_size(self.size_at(to));
    }

    fn begin_row(&self, fault: &Fault<S>, from: Nanos, to: Nanos) -> Row {
        let evidence = self.source.evidence();
        let mut row = Row {
            fault: fault.name,
            stated: fault.stated(self.bound),
            late: evidence.late(None, from, to),
            size: self.largest(&evidence, from, to),
            ..Row::default()
        };
        for change in evidence.changes(from, to) {
            row.writes += 1;
            row.acknowledged += u64::from(change.acknowledged.is_some());
        }
        row
    }

    /// What the largest of the members held in that time.
    fn largest(&self, evidence: &Evidence, from: Nanos, to: Nanos) -> Size {
        let lives = self.members.iter().map(|member| member.life);
        let sizes = lives.flat_map(|life| evidence.sizes(life, from, to));
        sizes.reduce(Size::max).unwrap_or_default()
    }

    /// What the largest of them held last.
    fn size_at(&self, to: Nanos) -> Size {
        let a_moment = 2 * nanos(Duration::from_secs(1));
        self.largest(&self.source.evidence(), to.saturating_sub(a_moment), to)
    }
}

/// One number in a reply to `INFO`.
pub(super) fn number(info: &str, name: &str) -> u64 {
    let mut lines = info.lines().filter_map(|line| line.split_once(':'));
    let line = lines.find(|line| line.0 == name);
    let (_, number) = line.unwrap_or_else(|| panic!("`INFO` does not say `{name}`"));
    number.trim().parse().expect("it is a number")
}

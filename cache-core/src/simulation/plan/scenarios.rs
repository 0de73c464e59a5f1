//! What goes wrong only where several things come together, which chance alone would seldom bring about.

use std::ops::RangeInclusive;

use super::{Action, Breadth, Fault, How, Plan, Step, Style, call};
use crate::simulation::{
    functions::{IN_MEMORY, LENIENT, MANY_LENIENT, NESTED, PLAIN},
    history::PROCESSES,
    random::Random,
};

/// From one millisecond to another.
type Span = RangeInclusive<u64>;

impl Plan {
    fn step(&mut self, at: u64, action: Action) {
        self.steps.push(Step { at, action });
    }

    pub(super) fn change(&mut self, at: u64, process: usize, rows: Vec<u8>) {
        let action = Action::Change {
            process,
            rows,
            breadth: Breadth::Row,
            style: Style::Emitted,
            polls: None,
        };
        self.step(at, action);
    }

    fn change_guarded(&mut self, at: u64, (process, row): (usize, u8), breadth: Breadth) {
        let action = Action::Change {
            process,
            rows: vec![row],
            breadth,
            style: Style::Guarded,
            polls: None,
        };
        self.step(at, action);
    }

    pub(super) fn get(
        &mut self,
        random: &mut Random,
        span: &Span,
        (process, function, id): (usize, usize, u8),
    ) {
        let action = Action::Call {
            process,
            function,
            id,
            how: How::Get,
            polls: None,
        };
        self.step(random.between(*span.start(), *span.end()), action);
    }

    /// Calls of anything, of one process where one is given.
    pub(super) fn get_some(
        &mut self,
        random: &mut Random,
        span: &Span,
        (count, rows): (usize, u8),
        by: impl Fn(&mut Random) -> Option<usize>,
    ) {
        for _ in 0..count {
            let mut action = call(random, rows);
            if let Action::Call { process, how, .. } = &mut action {
                *how = How::Get;
                *process = by(random).unwrap_or(*process);
            }
            self.step(random.between(*span.start(), *span.end()), action);
        }
    }

    /// Nobody can be reached for longer than the bound, which includes whoever changes something meanwhile; and some
    /// are back before others.
    pub(super) fn add_outage(&mut self, random: &mut Random) {
        self.setup.bound = 400;
        let begins = random.between(300, self.setup.horizon / 2);
        let ends = begins + random.between(600, 1_600);
        let (first, changes) = (random.index(PROCESSES), random.index(PROCESSES));
        for process in 0..PROCESSES {
            self.fault(begins, Fault::Cut(process));
            let is_first = process == first && process != changes;
            let late = if is_first {
                0
            } else {
                random.between(0, 1_500)
            };
            self.fault(ends + late, Fault::Mend(process));
        }
        self.change(random.between(begins, ends), changes, vec![0]);
        for span in [0..=begins, ends..=ends + 1_500] {
            let mostly_first = |random: &mut Random| random.percent(60).then_some(first);
            self.get_some(random, &span, (6, 1), mostly_first);
        }
    }

    /// A process goes on listening to a primary that nobody else has any more, and asks the new one.
    pub(super) fn add_apart(&mut self, random: &mut Random) {
        self.setup.bound = 400;
        let process = random.index(PROCESSES);
        let other = (process + 1 + random.index(PROCESSES - 1)) % PROCESSES;
        let at = random.between(300, self.setup.horizon / 2);
        self.isolate(at, random.below(50));
        let listens = false;
        self.fault(at + random.between(1, 50), Fault::Part { process, listens });
        self.fault(at + random.between(1, 50), Fault::Reset(Some(other)));
        let changed = at + random.between(250, 700);
        self.change(changed, other, vec![0]);
        for span in [at + 50..=changed, changed + 400..=changed + 1_200] {
            self.get_some(random, &span, (4, 1), |_| Some(process));
        }
        self.fault(changed + 1_300, Fault::Demote);
    }

    /// A replica takes the place of a primary, which goes on without anybody noticing.
    fn isolate(&mut self, at: u64, lag: u64) {
        let is_isolated = true;
        self.fault(at, Fault::Failover { lag, is_isolated });
    }

    /// A primary acknowledges a change, and has the data of another one before anybody looks at what it is.
    pub(super) fn add_forgotten(&mut self, random: &mut Random) {
        self.setup.slowest_message = 1;
        self.setup.slowest_load = 5;
        let (process, at) = (random.index(PROCESSES), random.between(700, 1_500));
        self.isolate(at - 10, 0);
        self.change(at, process, vec![0]);
        self.fault(at + 20, Fault::Demote);
        for span in [at - 500..=at - 100, at + 22..=at + 80] {
            for function in 0..PLAIN {
                self.get(random, &span, (process, function, 0));
            }
        }
    }

    /// Answers of a server are not seen before another one has taken its place.
    pub(super) fn add_moved(&mut self, random: &mut Random) {
        self.setup.slowest_caller = 1_500;
        let at = random.between(100, 1_000);
        let lag = random.below(50);
        let is_isolated = false;
        self.fault(at, Fault::Failover { lag, is_isolated });
        for span in [at - 30..=at, at + 1_000..=at + 3_000] {
            self.get_some(random, &span, (12, 4), |_| None);
        }
    }

    /// A guarded change, whose writer may die before it says that it made it.
    pub(super) fn add_guarded(&mut self, random: &mut Random) {
        self.setup.slowest_load = random.pick(&[5, 50]);
        let (process, at) = (random.index(PROCESSES), random.between(200, 1_500));
        self.change_guarded(
            at,
            (process, 0),
            random.pick(&[Breadth::Row, Breadth::Group]),
        );
        if random.percent(70) {
            self.fault(at + random.between(50, 1_000), Fault::Crash(process));
        }
        let newcomer = (process + 1) % PROCESSES;
        let others: &[usize] = if random.percent(60) {
            self.add_newcomer(random, newcomer, at);
            // It would hear of the mark where it reads versions.
            &[process, (process + 2) % PROCESSES]
        } else {
            &[process, newcomer, (process + 2) % PROCESSES]
        };
        let some = |random: &mut Random| Some(random.pick(others));
        self.get_some(random, &(at - 200..=at + 2_500), (30, 1), some);
    }

    /// A process that starts behind a mark, and hears of it only when it is renewed.
    fn add_newcomer(&mut self, random: &mut Random, process: usize, marked: u64) {
        self.setup.bound = 400;
        // Another change would tell it of the mark too.
        let is_guarded = |action: &Action| {
            matches!(
                action,
                Action::Change {
                    style: Style::Guarded,
                    ..
                }
            )
        };
        self.steps.retain(|step| {
            is_guarded(&step.action) || !matches!(step.action, Action::Change { .. })
        });
        self.fault(marked + random.between(20, 200), Fault::Crash(process));
        for from in [marked + 100, marked + 1_200] {
            for _ in 0..5 {
                self.get(random, &(from..=from + 600), (process, IN_MEMORY, 0));
            }
        }
    }

    /// Connections of a process are made anew again and again, and what it has of a row is looked at just when it
    /// hears again, while somebody marks the row, writes it and dies: the mark may overtake the answer.
    pub(super) fn add_overtaken(&mut self, random: &mut Random) {
        self.setup.bound = 400;
        self.setup.slowest_message = 20;
        self.setup.slowest_load = 5;
        // Another change would have what is wrong forgotten before it is seen.
        self.steps.clear();
        let process = random.index(PROCESSES);
        for row in 0..4 {
            let warm = 100 + u64::from(row) * 1_200;
            let begins = warm + 200;
            self.fault(begins, Fault::Reset(Some(process)));
            let hears = begins + 60..=begins + 140;
            let changed = random.between(*hears.start(), *hears.end());
            let writer = (process + 1) % PROCESSES;
            self.change_guarded(changed, (writer, row), Breadth::Row);
            self.fault(changed + random.between(15, 60), Fault::Crash(writer));
            for (span, times) in [
                (warm..=warm + 150, 1),
                (hears, 6),
                (begins + 700..=begins + 900, 1),
            ] {
                for call in 0..PLAIN * times {
                    self.get(random, &span, (process, call % PLAIN, row));
                }
            }
        }
    }

    /// The clock of the server is ahead while a row is read, and its tags are evicted when that is over; then it is changed,
    /// which a process does not hear of that makes something else of what it has.
    pub(super) fn add_ahead(&mut self, random: &mut Random) {
        self.setup.bound = 2_000;
        self.setup.slowest_message = 1;
        self.setup.slowest_load = 5;
        self.setup.steps_clock = true;
        // Another change would have what is wrong forgotten before it is seen.
        self.steps.clear();
        let process = random.index(PROCESSES);
        let writer = (process + 1) % PROCESSES;
        let ahead = i64::try_from(random.between(1_000_000, 10_000_000)).unwrap_or(0);
        if random.percent(50) {
            return self.add_ahead_and_demoted(random, process, ahead);
        }
        for (round, row) in [0, 2].into_iter().enumerate() {
            let at = 1_000 + 4_000 * round as u64;
            self.fault(at, Fault::StepClock(ahead));
            self.get(random, &(at + 50..=at + 90), (process, 0, row));
            self.fault(at + 200, Fault::StepClock(-ahead));
            for tag in 0..8 {
                self.fault(at + 201 + tag, Fault::EvictTag);
            }
            let changed = at + random.between(300, 400);
            let listens = true;
            self.fault(changed - 2, Fault::Part { process, listens });
            self.change(changed, writer, vec![row]);
            let made = changed + 5..=changed + 60;
            let late = changed + 2_200..=changed + 2_500;
            for span in [made, late] {
                for by in 0..PROCESSES {
                    self.get(random, &span, (by, NESTED, row));
                }
            }
        }
    }

    /// A row is changed and read while the clock is ahead, its tags are evicted when that is over, and it is changed again:
    /// the primary that acknowledges it has the data of before a moment later, that of a replica.
    fn add_ahead_and_demoted(&mut self, random: &mut Random, process: usize, ahead: i64) {
        let (row, at) = (0, random.between(700, 1_500));
        self.fault(at, Fault::StepClock(ahead));
        self.change(at + 50, process, vec![row]);
        for function in 0..PLAIN {
            self.get(random, &(at + 150..=at + 250), (process, function, row));
        }
        let right = at + 400;
        self.fault(right, Fault::StepClock(-ahead));
        for tag in 0..8 {
            self.fault(right + 10 + tag, Fault::EvictTag);
        }
        // Its replica has not heard of the evictions.
        self.isolate(right + 20, 15);
        self.change(right + 30, process, vec![row]);
        self.fault(right + 50, Fault::Demote);
        for function in 0..PLAIN {
            self.get(
                random,
                &(right + 52..=right + 110),
                (process, function, row),
            );
        }
    }

    /// A process is back, and is asked for all it has just when it begins to hear again: what it missed was changed
    /// before, or is changed at that moment.
    pub(super) fn add_return(&mut self, random: &mut Random) {
        self.setup.bound = 400;
        self.setup.slowest_message = 20;
        self.setup.slowest_load = 50;
        let process = random.index(PROCESSES);
        let warm = random.between(100, 600);
        let begins = warm + 400;
        let is_long = random.percent(50);
        let (fault, ends, change) = if is_long {
            let ends = begins + random.between(500, 700);
            (Fault::Cut(process), ends, begins + random.below(20))
        } else {
            // It takes so long until it hears again.
            let change = begins + random.between(70, 170);
            (Fault::Reset(Some(process)), begins, change)
        };
        self.fault(begins, fault);
        self.fault(ends, Fault::Mend(process));
        self.change(change, (process + 1) % PROCESSES, (0..4).collect());
        let back = if is_long {
            ends..=ends + 300
        } else {
            ends + 60..=ends + 190
        };
        for span in [warm..=begins - 100, back, ends + 300..=ends + 600] {
            for key in 0..3 * 4 {
                self.get(random, &span, (process, usize::from(key / 4), key % 4));
            }
        }
    }

    /// A process stands still for longer than the bound while another one changes what it serves though that is void.
    pub(super) fn add_frozen(&mut self, random: &mut Random) {
        self.setup.bound = 400;
        self.setup.ttl = 60_000;
        let process = random.index(PROCESSES);
        let other = (process + 1 + random.index(PROCESSES - 1)) % PROCESSES;
        let (at, asleep) = (random.between(500, 1_000), random.between(600, 1_500));
        self.fault(at, Fault::Freeze(process, asleep));
        self.change(at + random.between(1, 50), other, vec![0]);
        for span in [at - 200..=at - 50, at + asleep..=at + asleep + 300] {
            for function in [LENIENT, MANY_LENIENT] {
                self.get(random, &span, (process, function, 0));
            }
        }
    }
}

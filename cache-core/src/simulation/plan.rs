//! What happens in a run, made of its seed: calls, changes and faults, each at its time.

use super::{
    functions::{IN_MEMORY, MANY, OTHERS, PLAIN, WITH_STRATEGY},
    history::{PROCESSES, ROWS},
    random::Random,
};

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) setup: Setup,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(super) struct Setup {
    /// All in milliseconds.
    pub(super) bound: u64,
    pub(super) ttl: u64,
    pub(super) slowest_message: u64,
    pub(super) slowest_load: u64,
    /// How long whoever asked may not see an answer that has arrived.
    pub(super) slowest_caller: u64,
    pub(super) horizon: u64,
    /// Of a hundred loads.
    pub(super) failing_loads: u64,
    pub(super) has_faults: bool,
    /// When it is not known how old an entry is.
    pub(super) steps_clock: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) at: u64,
    pub(super) action: Action,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    Call {
        process: usize,
        function: usize,
        id: u8,
        how: How,
        /// After so many polls its caller is gone.
        polls: Option<u64>,
    },
    Change {
        process: usize,
        rows: Vec<u8>,
        breadth: Breadth,
        style: Style,
        polls: Option<u64>,
    },
    Fault(Fault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Get,
    Peek,
    Refresh,
    Evict,
    Put,
    Prefetch,
    Clear,
}

/// What is emitted for a row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Breadth {
    Row,
    Group,
    All,
}

/// How a change is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    Emitted,
    Succeeded,
    Failed,
    Dropped,
    Held,
    HoldDropped,
    HoldCancelled,
    /// The source was written after its caller was gone.
    Late,
    Guarded,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// Connections of a process, or of all, end.
    Reset(Option<usize>),
    /// The connection of a process that listens ends, or the one that asks.
    Part {
        process: usize,
        listens: bool,
    },
    /// Connections of a process are silent in one direction or both.
    Silence {
        process: usize,
        questions: bool,
        answers: bool,
    },
    Cut(usize),
    Mend(usize),
    Crash(usize),
    /// A replica that lags takes over; the old primary dies, or goes on without anybody noticing.
    Failover {
        lag: u64,
        is_isolated: bool,
    },
    /// The old primary notices.
    Demote,
    /// Two failovers within a heartbeat, behind the same connections.
    Flip {
        lag: u64,
    },
    /// The replication id changes, and nothing is lost.
    Rename,
    Stop,
    Restart,
    Hang(u64),
    Flush,
    EvictTag,
    EvictEntry,
    Full(bool),
    StepClock(i64),
}

const STYLES: [Style; 13] = [
    Style::Emitted,
    Style::Emitted,
    Style::Emitted,
    Style::Succeeded,
    Style::Succeeded,
    Style::Succeeded,
    Style::Failed,
    Style::Dropped,
    Style::Held,
    Style::HoldDropped,
    Style::HoldCancelled,
    Style::Late,
    Style::Guarded,
];

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x5151);
        let has_faults = !random.percent(15);
        let setup = Setup {
            bound: random.pick(&[400, 400, 800, 2_000]),
            ttl: random.pick(&[60_000, 60_000, 60_000, 700]),
            slowest_message: if has_faults {
                random.pick(&[1, 5, 5, 20])
            } else {
                2
            },
            slowest_load: random.pick(&[5, 50, 50, 300, 1_500]),
            slowest_caller: if has_faults {
                random.pick(&[0, 0, 0, 0, 0, 0, 0, 300])
            } else {
                0
            },
            horizon: random.pick(&[2_000, 4_000, 6_000]),
            failing_loads: random.pick(&[0, 0, 0, 15]),
            has_faults,
            steps_clock: false,
        };
        let mut plan = Self {
            seed,
            setup,
            steps: Vec::new(),
        };
        // A few rows that all processes look at: what goes wrong is seen.
        let hot = u8::try_from(random.between(1, ROWS as u64)).expect("rows are few");
        for _ in 0..random.between(20, 70) {
            let action = call(&mut random, hot);
            plan.add(&mut random, action);
        }
        for _ in 0..random.between(2, 12) {
            let action = change(&mut random, hot);
            plan.add(&mut random, action);
        }
        if has_faults {
            for _ in 0..random.between(1, 4) {
                plan.add_fault(&mut random);
            }
        }
        plan.steps.sort_by_key(|step| step.at);
        plan
    }

    fn add(&mut self, random: &mut Random, action: Action) {
        let at = random.below(self.setup.horizon);
        self.steps.push(Step { at, action });
    }

    fn fault(&mut self, at: u64, fault: Fault) {
        let action = Action::Fault(fault);
        self.steps.push(Step { at, action });
    }

    fn add_fault(&mut self, random: &mut Random) {
        let at = random.below(self.setup.horizon);
        let process = random.index(PROCESSES);
        let soon = random.between(1, self.setup.bound * 3);
        match random.below(34) {
            0 => self.fault(at, Fault::Reset(Some(process))),
            1 => self.fault(at, Fault::Reset(None)),
            2 => {
                let questions = random.percent(60);
                let fault = Fault::Silence {
                    process,
                    questions,
                    answers: !questions || random.percent(50),
                };
                self.fault(at, fault);
            }
            3 | 4 => {
                self.fault(at, Fault::Cut(process));
                self.fault(at + soon, Fault::Mend(process));
            }
            5 => self.fault(at, Fault::Crash(process)),
            6 | 7 => {
                let lag = random.below(1_500);
                let is_isolated = false;
                self.fault(at, Fault::Failover { lag, is_isolated });
            }
            8 | 9 => {
                let lag = random.below(1_500);
                let is_isolated = true;
                self.fault(at, Fault::Failover { lag, is_isolated });
                // Some notice by themselves.
                let part = |listens| Fault::Part { process, listens };
                let noticed = random.pick(&[Fault::Reset(Some(process)), part(true), part(false)]);
                self.fault(at + soon / 3 + 1, noticed);
                self.fault(at + soon, Fault::Demote);
            }
            10 => {
                let lag = random.below(1_500);
                self.fault(at, Fault::Flip { lag });
            }
            11 => self.fault(at, Fault::Rename),
            12 | 13 => {
                self.fault(at, Fault::Stop);
                let fault = random.pick(&[Fault::Restart, Fault::Hang(0)]);
                self.fault(at + soon, fault);
            }
            14 => self.fault(at, Fault::Hang(random.between(50, 2_000))),
            15 => {
                self.fault(at, random.pick(&[Fault::Flush, Fault::EvictEntry]));
                for _ in 0..random.between(1, 6) {
                    let at = random.below(self.setup.horizon);
                    self.fault(at, Fault::EvictTag);
                }
            }
            18 => {
                // Loads that outlive what is heard.
                self.setup.slowest_load = 1_500;
                self.setup.bound = 400;
                self.fault(at, Fault::Cut(process));
                self.fault(at + 1_200, Fault::Mend(process));
            }
            19 => self.add_outage(random),
            20..=23 => self.add_return(random),
            24..=26 => self.add_guarded(random),
            27..=29 => self.add_apart(random),
            30..=33 => self.add_moved(random),
            16 => {
                self.fault(at, Fault::Full(true));
                self.fault(at + soon, Fault::Full(false));
            }
            _ => {
                self.setup.steps_clock = true;
                let step = i64::try_from(random.below(20_000_003)).unwrap_or(0) - 10_000_001;
                self.fault(at, Fault::StepClock(step));
            }
        }
    }
}

impl Plan {
    /// Nobody can be reached for longer than the bound, which includes whoever changes something meanwhile; and some
    /// are back before others.
    fn add_outage(&mut self, random: &mut Random) {
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
        let action = Action::Change {
            process: changes,
            rows: vec![0],
            breadth: Breadth::Row,
            style: Style::Emitted,
            polls: None,
        };
        let at = random.between(begins, ends);
        self.steps.push(Step { at, action });
        for (from, to) in [(0, begins), (ends, ends + 1_500)] {
            for _ in 0..6 {
                let mut action = call(random, 1);
                if let Action::Call { process, how, .. } = &mut action {
                    *how = How::Get;
                    *process = if random.percent(60) { first } else { *process };
                }
                let at = random.between(from, to);
                self.steps.push(Step { at, action });
            }
        }
    }

    /// A process goes on listening to a primary that nobody else has any more, and asks the new one.
    fn add_apart(&mut self, random: &mut Random) {
        self.setup.bound = 400;
        let process = random.index(PROCESSES);
        let other = (process + 1 + random.index(PROCESSES - 1)) % PROCESSES;
        let at = random.between(300, self.setup.horizon / 2);
        let lag = random.below(50);
        let is_isolated = true;
        self.fault(at, Fault::Failover { lag, is_isolated });
        let listens = false;
        self.fault(at + random.between(1, 50), Fault::Part { process, listens });
        self.fault(at + random.between(1, 50), Fault::Reset(Some(other)));
        let action = Action::Change {
            process: other,
            rows: vec![0],
            breadth: Breadth::Row,
            style: Style::Emitted,
            polls: None,
        };
        let changed = at + random.between(250, 700);
        self.steps.push(Step {
            at: changed,
            action,
        });
        for (from, to) in [(at + 50, changed), (changed + 400, changed + 1_200)] {
            for _ in 0..4 {
                let mut action = call(random, 1);
                if let Action::Call {
                    process: asks, how, ..
                } = &mut action
                {
                    (*asks, *how) = (process, How::Get);
                }
                let at = random.between(from, to);
                self.steps.push(Step { at, action });
            }
        }
        self.fault(changed + 1_300, Fault::Demote);
    }

    /// Answers of a server are not seen before another one has taken its place.
    fn add_moved(&mut self, random: &mut Random) {
        self.setup.slowest_caller = 1_500;
        let at = random.between(100, 1_000);
        let lag = random.below(50);
        let is_isolated = false;
        self.fault(at, Fault::Failover { lag, is_isolated });
        for (from, to) in [(at - 30, at), (at + 1_000, at + 3_000)] {
            for _ in 0..12 {
                let mut action = call(random, 4);
                if let Action::Call { how, polls, .. } = &mut action {
                    (*how, *polls) = (How::Get, None);
                }
                let at = random.between(from, to);
                self.steps.push(Step { at, action });
            }
        }
    }

    /// A guarded change, whose writer may die before it says that it made it.
    fn add_guarded(&mut self, random: &mut Random) {
        self.setup.slowest_load = random.pick(&[5, 50]);
        let (process, at) = (random.index(PROCESSES), random.between(200, 1_500));
        let action = Action::Change {
            process,
            rows: vec![0],
            breadth: random.pick(&[Breadth::Row, Breadth::Group]),
            style: Style::Guarded,
            polls: None,
        };
        self.steps.push(Step { at, action });
        if random.percent(70) {
            self.fault(at + random.between(50, 1_000), Fault::Crash(process));
        }
        if random.percent(50) {
            self.add_newcomer(random, (process + 1) % PROCESSES, at);
        }
        for _ in 0..30 {
            let mut action = call(random, 1);
            if let Action::Call { how, .. } = &mut action {
                *how = How::Get;
            }
            let at = random.between(at - 200, at + 2_500);
            self.steps.push(Step { at, action });
        }
    }

    /// A process that starts behind a mark, and hears of it only when it is renewed.
    fn add_newcomer(&mut self, random: &mut Random, process: usize, marked: u64) {
        self.setup.bound = 400;
        self.fault(marked + random.between(20, 200), Fault::Crash(process));
        for from in [marked + 100, marked + 1_200] {
            for _ in 0..3 {
                let action = Action::Call {
                    process,
                    function: IN_MEMORY,
                    id: 0,
                    how: How::Get,
                    polls: None,
                };
                let at = random.between(from, from + 400);
                self.steps.push(Step { at, action });
            }
        }
    }

    /// A process is back, and is asked for all it has just when it begins to hear again: what it missed was changed
    /// before, or is changed at that moment.
    fn add_return(&mut self, random: &mut Random) {
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
        let action = Action::Change {
            process: (process + 1) % PROCESSES,
            rows: (0..4).collect(),
            breadth: Breadth::Row,
            style: Style::Emitted,
            polls: None,
        };
        self.steps.push(Step { at: change, action });
        let back = if is_long {
            (ends, ends + 300)
        } else {
            (ends + 60, ends + 190)
        };
        let asks = [(warm, begins - 100), back, (ends + 300, ends + 600)];
        for (from, to) in asks {
            for key in 0..3 * 4 {
                let action = Action::Call {
                    process,
                    function: usize::from(key / 4),
                    id: key % 4,
                    how: How::Get,
                    polls: None,
                };
                let at = random.between(from, to);
                self.steps.push(Step { at, action });
            }
        }
    }
}

fn polls(random: &mut Random) -> Option<u64> {
    random.percent(12).then(|| random.between(1, 6))
}

fn call(random: &mut Random, hot: u8) -> Action {
    let hows = [
        How::Refresh,
        How::Evict,
        How::Put,
        How::Prefetch,
        How::Peek,
        How::Clear,
    ];
    let function = match random.below(20) {
        0..3 => random.pick(&WITH_STRATEGY),
        3..7 => random.pick(&OTHERS),
        _ => random.index(PLAIN),
    };
    Action::Call {
        process: random.index(PROCESSES),
        function,
        id: u8::try_from(random.below(hot.into())).expect("rows are few"),
        how: if function == MANY || random.percent(75) {
            How::Get
        } else {
            random.pick(&hows)
        },
        polls: polls(random),
    }
}

fn change(random: &mut Random, hot: u8) -> Action {
    let row = u8::try_from(random.below(hot.into())).expect("rows are few");
    let rows = if random.percent(25) {
        vec![row, (row + 1) % 4]
    } else {
        vec![row]
    };
    Action::Change {
        process: random.index(PROCESSES),
        rows,
        breadth: random.pick(&[
            Breadth::Row,
            Breadth::Row,
            Breadth::Row,
            Breadth::Group,
            Breadth::All,
        ]),
        style: random.pick(&STYLES),
        polls: polls(random),
    }
}

//! What happens in a run, made of its seed: calls, changes and faults, each at its time.

mod cluster;
mod scenarios;

use super::{
    cluster::faults::InCluster,
    functions::{OTHERS, PLAIN, WITH_STRATEGY},
    history::{PROCESSES, ROWS},
    random::Random,
};

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) setup: Setup,
    pub(super) steps: Vec<Step>,
    /// The shard that faults are planned on.
    struck: usize,
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
    /// There are several primaries.
    pub(super) is_cluster: bool,
}

impl Setup {
    /// How long it takes until a process knows who has which slot, in milliseconds.
    pub(super) fn learns(&self) -> u64 {
        if self.is_cluster { 2_500 } else { 0 }
    }
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
    /// And the shard that it is on.
    Fault(Fault, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Get,
    Explain,
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
    /// All machines do, for so long.
    Sleep(u64),
    /// A process sees nothing of what arrives for so long.
    Freeze(usize, u64),
    InCluster(InCluster),
}

/// Kinds of faults by which alone some broken rules are noticed.
pub(super) const RETURN: u64 = 20;
pub(super) const GUARDED: u64 = 24;
pub(super) const APART: u64 = 27;
pub(super) const OVERTAKEN: u64 = 37;
pub(super) const AHEAD: u64 = 38;
pub(super) const FROZEN: u64 = 39;
/// In a cluster: all kinds, and those by which alone some rules of clusters are noticed.
pub(super) const CLUSTER: u64 = 100;
pub(super) const DEAF: u64 = 101;
pub(super) const UNSEEN: u64 = 102;
pub(super) const TWINS: u64 = 103;
pub(super) const ROLLED_BACK: u64 = 104;

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
    /// With faults of one kind, where one is given: by its number below.
    pub(super) fn with_faults(seed: u64, kind: Option<u64>) -> Self {
        if let Some(kind @ CLUSTER..) = kind {
            return Self::in_cluster(seed, kind);
        }
        Self::on_one_server(seed, kind)
    }

    fn on_one_server(seed: u64, kind: Option<u64>) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x5151);
        let has_faults = !random.percent(15) || kind.is_some();
        let setup = Setup {
            bound: random.pick(&[400, 400, 800, 2_000]),
            ttl: random.pick(&[60_000, 60_000, 700, 700, 1_500]),
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
            failing_loads: random.pick(&[0, 0, 15, 40]),
            has_faults,
            steps_clock: false,
            is_cluster: false,
        };
        let mut plan = Self {
            seed,
            setup,
            steps: Vec::new(),
            struck: 0,
        };
        // A few rows that all processes look at: what goes wrong is seen.
        let hot = u8::try_from(random.between(1, ROWS as u64)).expect("rows are few");
        // And a strategy that is seen more often than others: some are rarely of use.
        let favourite = random.pick(&WITH_STRATEGY);
        for _ in 0..random.between(20, 70) {
            let mut action = call(&mut random, hot);
            if let Action::Call { function, .. } = &mut action
                && random.percent(20)
            {
                *function = favourite;
            }
            plan.add(&mut random, action);
        }
        for _ in 0..random.between(2, 12) {
            let action = change(&mut random, hot);
            plan.add(&mut random, action);
        }
        if has_faults {
            for _ in 0..random.between(1, 4) {
                plan.add_fault(&mut random, kind);
            }
        }
        plan.steps.sort_by_key(|step| step.at);
        plan
    }

    /// Three calls of one key of a function, and this between the first and the second, which is well within the bound.
    pub(super) fn of_one_key(function: usize, between: Option<Action>) -> Self {
        let setup = Setup {
            bound: 2_000,
            ttl: 60_000,
            slowest_message: 1,
            slowest_load: 5,
            slowest_caller: 0,
            horizon: 2_000,
            failing_loads: 0,
            has_faults: true,
            steps_clock: false,
            is_cluster: false,
        };
        let mut plan = Self {
            seed: 0,
            setup,
            steps: Vec::new(),
            struck: 0,
        };
        for at in [0, 300, 400] {
            let action = Action::Call {
                process: 0,
                function,
                id: 0,
                how: How::Get,
                polls: None,
            };
            plan.steps.push(Step { at, action });
        }
        let between = between.map(|action| Step { at: 100, action });
        plan.steps.extend(between);
        plan.steps.sort_by_key(|step| step.at);
        plan
    }

    fn add(&mut self, random: &mut Random, action: Action) {
        let at = random.below(self.setup.horizon);
        self.steps.push(Step { at, action });
    }

    fn fault(&mut self, at: u64, fault: Fault) {
        let action = Action::Fault(fault, self.struck);
        self.steps.push(Step { at, action });
    }

    fn add_fault(&mut self, random: &mut Random, kind: Option<u64>) {
        let at = random.below(self.setup.horizon);
        let process = random.index(PROCESSES);
        let soon = random.between(1, self.setup.bound * 3);
        let any = random.below(40);
        match kind.unwrap_or(any) {
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
            RETURN..=23 => self.add_return(random),
            GUARDED..=26 => self.add_guarded(random),
            APART..=29 => self.add_apart(random),
            30..=33 => self.add_moved(random),
            34..=36 => self.add_forgotten(random),
            OVERTAKEN => self.add_overtaken(random),
            AHEAD => self.add_ahead(random),
            FROZEN => self.add_frozen(random),
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

fn polls(random: &mut Random) -> Option<u64> {
    random.percent(20).then(|| {
        let most = random.pick(&[2, 5, 10, 20]);
        random.between(1, most)
    })
}

fn call(random: &mut Random, hot: u8) -> Action {
    let hows = [
        How::Explain,
        How::Explain,
        How::Refresh,
        How::Evict,
        How::Put,
        How::Prefetch,
        How::Peek,
        How::Clear,
    ];
    let function = match random.below(20) {
        0..5 => random.pick(&WITH_STRATEGY),
        5..8 => random.pick(&OTHERS),
        _ => random.index(PLAIN),
    };
    Action::Call {
        process: random.index(PROCESSES),
        function,
        id: u8::try_from(random.below(hot.into())).expect("rows are few"),
        how: if random.percent(70) {
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

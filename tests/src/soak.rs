//! Processes that share entries through a real Redis, while that and the lines to it fail in every way there is: what
//! each call is served is compared with what had been written and announced by then.
//!
//! The functions under test are in `member`, which is all that its process runs; the truth is in `source`; what is
//! asked of every value is in `verdict`, and the faults are in `faults`.

mod evidence;
mod faults;
mod ground;
mod journal;
pub mod member;
mod process;
mod service;
mod size;
mod source;
mod table;
mod value;
mod verdict;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

pub use self::table::Table;
use self::{
    faults::{Far, Lines, Network},
    ground::{Ground, Stage},
};
use crate::{clusters::Cluster, sentinels::Watched, server::Server};

/// Nanoseconds of the clock that all processes of a machine share.
type Nanos = u64;

/// One life of a member: each time it is started it gets another.
type Life = u32;

/// A write of one life.
type WriteId = u64;

/// What is told apart by a version of its own: the items of all shelves, and the rates.
const SHELVES: u32 = 16;
const ITEMS: u32 = 16;
const RATES: usize = (SHELVES * ITEMS) as usize;
const FACTS: usize = RATES + 1;

/// When members emit once more what ended in an unknown way.
const UNKNOWN_OUTCOME: Duration = Duration::from_millis(500);

/// How long members may take for what they do at once on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_mins(1);

/// The lifetime of what is kept for a short time, which holds what nobody announced.
const SHORT_LIFE: Duration = Duration::from_secs(3);

/// What a soak does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program that runs [`member::run`] when its first argument is `member`.
    pub program: PathBuf,
    /// What the processes share entries through.
    pub on: Topology,
    /// By which way.
    pub by: Way,
    /// How long a value may be served that misses an acknowledged event.
    pub bound: Duration,
    /// Rounds through all faults begin until so much time is over; there is at least one.
    pub time: Duration,
    /// Which faults there are.
    pub faults: Faults,
}

/// Which faults a soak goes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Faults {
    /// All there are.
    All,
    /// Those that do not take long.
    Short,
    /// Those whose names have this in them.
    Named(String),
}

/// What processes share entries through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One server, behind lines that fail too.
    Server,
    /// A primary and two replicas, which three sentinels watch.
    Sentinel,
    /// Three primaries, each with a replica.
    Cluster,
}

/// What is between the processes and servers, and fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing, but to one server, to which each process has a line. It is the servers that fail.
    Near,
    /// A line to each server, of which sentinels, replicas and processes know. Nothing else fails.
    Far,
    /// A network that loses packets, and does nothing else. Only root may make one.
    Lossy,
}

/// Which release of their program members are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    Before,
    After,
}

/// Runs processes through all faults, and gives what they were served.
///
/// # Errors
///
/// Why there can be no such topology here.
///
/// # Panics
///
/// When a server or a process cannot be started.
pub fn run(plan: &Plan) -> Result<Table, String> {
    match (plan.on, plan.by) {
        (Topology::Server, Way::Near | Way::Far) => run_on::<Lines>(plan),
        (Topology::Server, Way::Lossy) => run_on::<Network<Server>>(plan),
        (Topology::Sentinel, Way::Near) => run_on::<Watched>(plan),
        (Topology::Sentinel, Way::Far) => run_on::<Far<Watched>>(plan),
        (Topology::Sentinel, Way::Lossy) => run_on::<Network<Watched>>(plan),
        (Topology::Cluster, Way::Near) => run_on::<Cluster>(plan),
        (Topology::Cluster, Way::Far) => run_on::<Far<Cluster>>(plan),
        (Topology::Cluster, Way::Lossy) => run_on::<Network<Cluster>>(plan),
    }
}

fn run_on<S: Stage>(plan: &Plan) -> Result<Table, String> {
    let begin = Instant::now();
    let mut ground = Ground::<S>::new(plan)?;
    let faults = S::FAULTS.iter();
    let mut faults: Vec<_> = faults.filter(|it| it.is_in(&plan.faults)).collect();
    loop {
        for fault in &faults {
            ground.suffer(fault);
        }
        // From here on members get old: what they hold too long is seen.
        faults.retain(|fault| !fault.is_deadly);
        if begin.elapsed() >= plan.time || faults.is_empty() {
            return Ok(ground.end());
        }
    }
}

fn now() -> Nanos {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

fn nanos(span: Duration) -> Nanos {
    u64::try_from(span.as_nanos()).expect("it is shorter than 584 years")
}

/// Where an item is.
#[derive(Clone, Copy, Debug)]
struct Place {
    shelf: u32,
    id: u32,
}

impl Place {
    /// The one of this number among all.
    fn of_number(number: usize) -> Self {
        let number = u32::try_from(number).expect("there are few");
        Self {
            shelf: number / ITEMS,
            id: number % ITEMS,
        }
    }

    fn fact(self) -> usize {
        (self.shelf * ITEMS + self.id) as usize
    }
}

fn life_of(write: WriteId) -> Life {
    Life::try_from(write >> 32).expect("its upper half is one")
}

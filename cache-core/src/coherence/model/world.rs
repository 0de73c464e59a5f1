//! What the model knows: servers, processes and what is between them, for one key, as plain data.

use smallvec::SmallVec;

use super::Scenario;

/// Something for each of two events, or for each of two tags.
pub(super) type Each<T> = [T; 2];

/// A set of tags, by their bits.
pub(super) type Tags = u8;

/// Takes the later ones of what is there and what is added.
pub(super) fn raise(floor: &mut Each<u8>, by: Each<u8>) {
    for (floor, by) in floor.iter_mut().zip(by) {
        *floor = by.max(*floor);
    }
}

/// Whether a value contains these writes.
pub(super) fn contains(value: Each<u8>, writes: Each<u8>) -> bool {
    value
        .iter()
        .zip(writes)
        .all(|(value, write)| *value >= write)
}

pub(super) fn has(tags: Tags, tag: usize) -> bool {
    tags & (1 << tag) != 0
}

/// What may still happen, so often. All that a scenario leaves at zero never does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    /// Flights, of both processes together.
    pub(super) flights: u8,
    /// Calls that look at an entry and are interrupted.
    pub(super) looks: u8,
    pub(super) puts: u8,
    pub(super) writes: u8,
    /// Writes whose caller vanishes, and which are committed later.
    pub(super) vanishings: u8,
    pub(super) holds: u8,
    /// Writes that mark their tags first.
    pub(super) marks: u8,
    /// Processes that die between the commit and the bump.
    pub(super) deaths: u8,
    /// Bumps that fail, before they arrived or behind that, or that their caller stops waiting for.
    pub(super) lost_bumps: u8,
    pub(super) lost_reads: u8,
    /// Tags that the server evicts, or that expire.
    pub(super) evictions: u8,
    /// Copies of the first server that arrive at the second.
    pub(super) copies: u8,
    /// The second server takes over, and the first one ends.
    pub(super) failovers: u8,
    /// The second server takes over, and whoever is connected to the first one does not notice.
    pub(super) splits: u8,
    pub(super) lost_connections: u8,
    pub(super) lost_ears: u8,
    /// Connections that hear nothing from here on, without an error.
    pub(super) black_holes: u8,
    /// The server cannot be reached by anybody for a while.
    pub(super) outages: u8,
    pub(super) ticks: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Snapshot {
    pub(super) gap: u8,
    pub(super) generations: Each<u8>,
    pub(super) taken: u8,
    pub(super) fence: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stamps {
    pub(super) versions: Each<u8>,
    pub(super) lineage: u8,
}

/// What a server has under a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tag {
    Missing,
    At(u8),
    /// By mutations with these nonces.
    Marked(u8),
}

/// An entry of the shared tier. Values are what the source had been written how often, by event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shared {
    pub(super) value: Each<u8>,
    pub(super) stamps: Stamps,
    pub(super) created: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Server {
    pub(super) is_alive: bool,
    pub(super) lineage: u8,
    pub(super) clock: u8,
    pub(super) tags: Each<Tag>,
    pub(super) entry: Option<Shared>,
    /// The writes whose bumps completed in this lineage.
    pub(super) bumped: Each<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Memory {
    pub(super) value: Each<u8>,
    pub(super) snapshot: Snapshot,
    pub(super) proven: u8,
    pub(super) created: u8,
    pub(super) stamps: Option<Stamps>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reply {
    pub(super) entry: Option<Shared>,
    pub(super) tags: Each<Tag>,
    pub(super) connection: Connection,
    pub(super) sent: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Begun,
    /// The versions are on their way, and this is what they are to prove.
    Revalidating(Reply, Memory),
    /// Nothing was to be revalidated.
    Unchecked,
    Replied(Reply),
    /// A tag is missing.
    Ensuring,
    Ready(Option<Stamps>),
    Loaded {
        stamps: Option<Stamps>,
        value: Each<u8>,
        began: u8,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    pub(super) snapshot: Snapshot,
    pub(super) phase: Phase,
    pub(super) met_mark: bool,
    /// Younger values than this its waiters must get.
    pub(super) floor: Each<u8>,
}

/// A call on its way to a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Caller {
    /// The gap and the fence, and of when.
    pub(super) began: Snapshot,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) floor: Each<u8>,
}

/// A call that looks at the entry in memory, half way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Look {
    pub(super) now: u8,
    pub(super) fence: u8,
    pub(super) entry: Memory,
    /// Where the fence comes last.
    pub(super) is_current: bool,
    pub(super) floor: Each<u8>,
}

/// A value that somebody has, under what was captured when it was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Put {
    pub(super) value: Each<u8>,
    pub(super) snapshot: Snapshot,
    pub(super) began: u8,
}

/// How far a bump is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Ready,
    /// It arrived at a server, and the answer is on its way.
    Done {
        lineage: u8,
        /// For a tick already.
        is_old: bool,
    },
    Failed,
    /// To be sent once more.
    Later,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Job {
    pub(super) tags: Tags,
    /// The writes that it announces, by event.
    pub(super) covers: Each<u8>,
    pub(super) step: Step,
    pub(super) has_failed: bool,
    pub(super) again: bool,
    pub(super) has_waiter: bool,
    /// Its part of a mark.
    pub(super) nonce: u8,
}

/// A mutation, before it is emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Change {
    None,
    Marked(u8),
    Held(u8),
    Written(u8),
    WrittenHeld(u8),
    /// Its caller is gone, and it may yet be committed.
    Vanished(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Connection {
    pub(super) server: u8,
    pub(super) lineage: u8,
    /// Tells it from those before.
    pub(super) epoch: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Heard {
    pub(super) tags: Tags,
    pub(super) covers: Each<u8>,
    pub(super) origin: u8,
    /// Of the mutations that still mark the tags.
    pub(super) nonces: u8,
}

/// The connection that hears.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ears {
    pub(super) server: u8,
    pub(super) is_connected: bool,
    pub(super) is_told: bool,
    pub(super) is_black_hole: bool,
    pub(super) inbox: SmallVec<[Heard; 3]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) is_dead: bool,
    pub(super) generations: Each<u8>,
    pub(super) pending: Each<u8>,
    pub(super) held: Each<u8>,
    pub(super) gap: u8,
    pub(super) fence: u8,
    pub(super) doubted_before: u8,
    pub(super) doubts_until: u8,
    pub(super) lineage: u8,
    /// By tag, the lineage that acknowledged its last bump; zero without one.
    pub(super) ledger: Each<u8>,
    pub(super) ledger_covers: Each<u8>,
    pub(super) memory: Option<Memory>,
    pub(super) flights: Each<Option<Flight>>,
    pub(super) place: Option<u8>,
    pub(super) caller: Option<Caller>,
    pub(super) look: Option<Look>,
    pub(super) put: Option<Put>,
    pub(super) fill: Option<Shared>,
    pub(super) change: Change,
    /// Held until the mutation that is on its way has returned.
    pub(super) releasing: Tags,
    /// Of the mutation that is under way, where it is guarded.
    pub(super) nonce: u8,
    pub(super) jobs: [Option<Job>; 3],
    pub(super) data: Option<Connection>,
    pub(super) epoch: u8,
    pub(super) ears: Ears,
    /// The oldest that a call may get that arrives now: own changes that returned, and those heard of.
    pub(super) floor: Each<u8>,
    /// Own writes, and those of them whose bumps were acknowledged.
    pub(super) written: Each<u8>,
    pub(super) acknowledged: Each<u8>,
    /// The processes whose marks, and no bump since, were heard here.
    pub(super) marked_by: u8,
    /// Of all marks that were.
    pub(super) heard_nonces: u8,
    /// What had been written and emitted when this process was back from an outage.
    pub(super) back_at: u8,
    pub(super) drained: Each<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) left: Budget,
    /// Which tags an event bumps.
    pub(super) bumps: Each<Tags>,
    pub(super) now: u8,
    pub(super) source: Each<u8>,
    pub(super) servers: Each<Server>,
    pub(super) primary: u8,
    /// The processes that call, and hear.
    pub(super) readers: u8,
    pub(super) is_out: bool,
    /// All writes mark their tags first.
    pub(super) is_guarded: bool,
    /// Loads that a put has overtaken go on beside others of their generation.
    pub(super) has_puts: bool,
    pub(super) processes: Each<Process>,
    /// What was written by guarded mutations, by nonce.
    pub(super) guarded: [Each<u8>; 8],
    /// The bumps that are complete now, and were one tick ago, and longer ago than the bound.
    pub(super) completed: [Each<u8>; 3],
    /// What was found to be wrong by the last step.
    pub(super) broken: Option<&'static str>,
}

impl World {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let left = scenario.left;
        let server = |is_alive, lineage| Server {
            is_alive,
            lineage,
            clock: 1,
            tags: [Tag::At(1); 2],
            entry: None,
            bumped: [0; 2],
        };
        Self {
            left,
            bumps: scenario.bumps,
            readers: scenario.readers,
            now: 1,
            source: [0; 2],
            servers: [server(true, 1), server(false, 0)],
            primary: 0,
            is_out: false,
            has_puts: left.puts > 0,
            is_guarded: left.marks > 0 && left.writes == 0,
            processes: [0, 1].map(|p| Process::new(has(scenario.readers, p))),
            guarded: [[0; 2]; 8],
            completed: [[0; 2]; 3],
            broken: None,
        }
    }
}

impl Ears {
    pub(super) fn deaf() -> Self {
        Self {
            server: 0,
            is_connected: false,
            is_told: false,
            is_black_hole: false,
            inbox: SmallVec::new(),
        }
    }
}

impl Process {
    pub(super) fn new(is_reader: bool) -> Self {
        Self {
            is_dead: false,
            generations: [0; 2],
            pending: [0; 2],
            held: [0; 2],
            gap: 0,
            fence: 1,
            doubted_before: 0,
            doubts_until: 0,
            lineage: 1,
            ledger: [0; 2],
            ledger_covers: [0; 2],
            memory: None,
            flights: [None; 2],
            place: None,
            caller: None,
            look: None,
            put: None,
            fill: None,
            change: Change::None,
            releasing: 0,
            nonce: 0,
            jobs: [None; 3],
            data: Some(Connection {
                server: 0,
                lineage: 1,
                epoch: 0,
            }),
            epoch: 0,
            ears: Ears {
                is_connected: is_reader,
                is_told: is_reader,
                ..Ears::deaf()
            },
            floor: [0; 2],
            written: [0; 2],
            acknowledged: [0; 2],
            marked_by: 0,
            heard_nonces: 0,
            back_at: 0,
            drained: [0; 2],
        }
    }
}

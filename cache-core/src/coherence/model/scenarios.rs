//! What is looked at: in each scenario all that its budget allows happens in every order.

use super::{Scenario, world::Budget};

const NOTHING: Budget = Budget {
    flights: 0,
    looks: 0,
    puts: 0,
    writes: 0,
    vanishings: 0,
    holds: 0,
    marks: 0,
    deaths: 0,
    lost_bumps: 0,
    lost_reads: 0,
    evictions: 0,
    copies: 0,
    failovers: 0,
    splits: 0,
    lost_connections: 0,
    lost_ears: 0,
    black_holes: 0,
    outages: 0,
    ticks: 0,
};

const BOTH: u8 = 0b11;
const HERE: u8 = 0b01;
const THERE: u8 = 0b10;

/// One event with one tag, and whoever writes is here.
const ONE_TAG: Scenario = Scenario {
    name: "",
    tags: 1,
    events: 1,
    bumps: [0b01, 0],
    writers: HERE,
    readers: BOTH,
    splits_calls: false,
    left: NOTHING,
    most_states: 1_500_000,
};

pub(super) const FILLS: Scenario = Scenario {
    name: "fills, bumps and joins of two processes",
    left: Budget {
        flights: 3,
        writes: 1,
        ..NOTHING
    },
    writers: BOTH,
    ..ONE_TAG
};

pub(super) const WRITES: Scenario = Scenario {
    name: "two writes, one behind the other",
    left: Budget {
        flights: 2,
        writes: 2,
        ..NOTHING
    },
    ..ONE_TAG
};

pub(super) const JOINS: Scenario = Scenario {
    name: "calls that are interrupted while they capture, and before they join",
    splits_calls: true,
    left: Budget {
        flights: 2,
        writes: 1,
        ..NOTHING
    },
    writers: BOTH,
    ..ONE_TAG
};

pub(super) const FAILED_BUMPS: Scenario = Scenario {
    name: "a bump that fails or is given up, and a read that fails",
    left: Budget {
        flights: 2,
        writes: 1,
        lost_bumps: 1,
        lost_reads: 1,
        ..NOTHING
    },
    ..ONE_TAG
};

pub(super) const EVICTIONS: Scenario = Scenario {
    name: "a tag is evicted, or expires",
    left: Budget {
        flights: 3,
        writes: 1,
        evictions: 1,
        ..NOTHING
    },
    ..ONE_TAG
};

pub(super) const VANISHINGS: Scenario = Scenario {
    name: "a caller vanishes, its write is committed later, and a bump fails",
    left: Budget {
        flights: 2,
        vanishings: 1,
        lost_bumps: 1,
        ..NOTHING
    },
    readers: THERE,
    ..ONE_TAG
};

pub(super) const HOLDS: Scenario = Scenario {
    name: "a write that was announced, or taken back, and a bump that fails",
    left: Budget {
        flights: 2,
        holds: 1,
        writes: 1,
        lost_bumps: 1,
        ..NOTHING
    },
    readers: HERE,
    ..ONE_TAG
};

pub(super) const PUTS: Scenario = Scenario {
    name: "a value that is put while it is written",
    left: Budget {
        flights: 2,
        puts: 1,
        writes: 1,
        ..NOTHING
    },
    ..ONE_TAG
};

/// As in an entry that listens to two events.
pub(super) const TWO_TAGS: Scenario = Scenario {
    name: "an entry of two tags, each with its event",
    tags: 2,
    events: 2,
    bumps: [0b01, 0b10],
    left: Budget {
        flights: 2,
        writes: 2,
        ..NOTHING
    },
    ..ONE_TAG
};

pub(super) const TWO_TAGS_EVICTED: Scenario = Scenario {
    name: "an entry of two tags, of which one is evicted and both are bumped",
    tags: 2,
    events: 2,
    bumps: [0b11, 0b10],
    left: Budget {
        flights: 2,
        writes: 1,
        evictions: 1,
        lost_bumps: 1,
        ..NOTHING
    },
    readers: THERE,
    ..ONE_TAG
};

pub(super) const FAILOVER_HERE: Scenario = Scenario {
    name: "a failover that loses an acknowledged bump, seen by whoever wrote",
    left: Budget {
        flights: 2,
        writes: 1,
        copies: 1,
        failovers: 1,
        ..NOTHING
    },
    readers: HERE,
    ..ONE_TAG
};

pub(super) const FAILOVER_THERE: Scenario = Scenario {
    name: "a failover that loses an acknowledged bump, seen by another process",
    readers: THERE,
    ..FAILOVER_HERE
};

/// Without a copy the second server is the first one, restarted without what it had.
pub(super) const RESTART: Scenario = Scenario {
    name: "a restart, and a write before or behind it",
    left: Budget {
        flights: 2,
        writes: 2,
        failovers: 1,
        ..NOTHING
    },
    readers: THERE,
    ..ONE_TAG
};

pub(super) const SPLIT_HERE: Scenario = Scenario {
    name: "a primary that was replaced goes on for whoever wrote",
    left: Budget {
        flights: 2,
        writes: 1,
        copies: 1,
        splits: 1,
        lost_connections: 2,
        ..NOTHING
    },
    readers: HERE,
    ..ONE_TAG
};

pub(super) const SPLIT_THERE: Scenario = Scenario {
    name: "a primary that was replaced goes on for whoever wrote, seen by another process",
    left: Budget {
        flights: 1,
        writes: 1,
        splits: 1,
        lost_connections: 2,
        lost_ears: 1,
        ..NOTHING
    },
    readers: THERE,
    ..ONE_TAG
};

pub(super) const LEASES: Scenario = Scenario {
    name: "a connection that is lost, what was missed meanwhile, and suspects",
    left: Budget {
        flights: 2,
        writes: 1,
        ticks: 2,
        lost_ears: 1,
        ..NOTHING
    },
    readers: THERE,
    ..ONE_TAG
};

pub(super) const BLACK_HOLES: Scenario = Scenario {
    name: "a connection that hears nothing, without an error",
    left: Budget {
        flights: 2,
        writes: 1,
        ticks: 2,
        black_holes: 1,
        ..NOTHING
    },
    readers: THERE,
    ..ONE_TAG
};

pub(super) const LOOKS: Scenario = Scenario {
    name: "a hit that is interrupted, over a connection that is lost",
    left: Budget {
        flights: 1,
        looks: 1,
        writes: 1,
        ticks: 3,
        lost_ears: 1,
        ..NOTHING
    },
    readers: THERE,
    ..ONE_TAG
};

/// What is changed while nobody can be reached is emitted when others are back already.
pub(super) const OUTAGES: Scenario = Scenario {
    name: "an outage that outlasts the bound, and a write in it",
    left: Budget {
        flights: 2,
        writes: 1,
        ticks: 4,
        outages: 1,
        ..NOTHING
    },
    readers: THERE,
    most_states: 6_000_000,
    ..ONE_TAG
};

pub(super) const MARKS: Scenario = Scenario {
    name: "guarded mutations that overlap, and one that dies before its bump",
    left: Budget {
        flights: 2,
        marks: 2,
        deaths: 1,
        ..NOTHING
    },
    writers: BOTH,
    readers: HERE,
    ..ONE_TAG
};

/// As in an entry below what one of them changes: it listens to its own tag, and to the one of all that is above it.
pub(super) const MARKS_ABOVE: Scenario = Scenario {
    name: "guarded mutations of an entry and of all that it is below, of which one dies before its bump",
    tags: 2,
    events: 2,
    bumps: [0b01, 0b10],
    ..MARKS
};

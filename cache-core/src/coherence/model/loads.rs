//! Loads, and what becomes of what they give: kept, sent, answered with.

use super::{
    DRAIN,
    world::{Each, Look, Memory, Phase, Put, Shared, Snapshot, Stamps, World, contains},
};
use crate::{
    clock::{after, nanos},
    coherence::{
        mutant::{self, Mutant},
        rules,
    },
};

impl World {
    /// The source is read: at the moment when the load is taken to begin, which is the worst one.
    pub(super) fn load(&self, p: usize, f: usize) -> Option<Self> {
        let flight = self.processes[p].flights[f]?;
        let Phase::Ready(stamps) = flight.phase else {
            return None;
        };
        let mut next = self.clone();
        let others = self.processes[p].flights.iter().flatten();
        let is_double = |other: &&super::world::Flight| {
            matches!(other.phase, Phase::Loaded { .. })
                && other.snapshot.gap == flight.snapshot.gap
                && other.snapshot.generations == flight.snapshot.generations
                // Of two times the later may not join.
                && other.snapshot.taken == flight.snapshot.taken
        };
        if others.filter(is_double).count() > 0 && !self.has_puts {
            next.broken = Some("I9: two loads of one generation in one process");
        }
        if let Some(flight) = &mut next.processes[p].flights[f] {
            flight.phase = Phase::Loaded {
                stamps,
                value: self.source,
                began: self.now,
            };
        }
        Some(next)
    }

    pub(super) fn land(&self, p: usize, f: usize) -> Option<Self> {
        let Phase::Loaded {
            mut stamps,
            value,
            began,
        } = self.processes[p].flights[f]?.phase
        else {
            return None;
        };
        let mut next = self.clone();
        if let Some(connection) = self.processes[p].data {
            let server = &mut next.servers[usize::from(connection.server)];
            if mutant::is(Mutant::B5) && stamps.is_none() {
                server.ensure();
                stamps = Stamps::of(server.tags, connection.lineage);
            }
            if mutant::is(Mutant::B1) {
                stamps = Stamps::of(server.tags, connection.lineage);
            }
        }
        next.keep_loaded(p, f, value, (began, stamps));
        Some(next)
    }

    fn keep_loaded(&mut self, p: usize, f: usize, value: Each<u8>, proof: (u8, Option<Stamps>)) {
        let process = &mut self.processes[p];
        let Some(flight) = process.flights[f] else {
            return;
        };
        let has_place = process.place.map(usize::from) == Some(f);
        let is_held = process.held != [0; 2];
        // Who did not ask for the versions has not seen the mark that it has heard of.
        let is_blind = proof.1.is_none() && process.marked_by != 0;
        if !has_place || is_held || flight.met_mark || is_blind {
            self.land_with(p, f, value, None);
            return;
        }
        let (proven, stamps) = proof;
        let is_kept = self.land_with(p, f, value, Some((proven, self.now, stamps)));
        let process = &mut self.processes[p];
        if let (true, Some(memory)) = (is_kept, process.memory)
            && let is_current = memory.snapshot.generations == process.generations
            && rules::may_share(memory.stamps.is_some(), is_current, process.is_pending())
            && let Some(stamps) = memory.stamps
        {
            process.fill = Some(Shared {
                value,
                stamps,
                created: self.now,
            });
        }
    }

    /// Ends a flight with a value, and keeps that where it has a proof, of when it was proven and created, and
    /// nothing happened meanwhile. Gives whether it is kept.
    pub(super) fn land_with(
        &mut self,
        p: usize,
        f: usize,
        value: Each<u8>,
        proof: Option<(u8, u8, Option<Stamps>)>,
    ) -> bool {
        let now = self.now;
        let process = &mut self.processes[p];
        let Some(flight) = process.flights[f].take() else {
            return false;
        };
        if !contains(value, flight.floor) {
            self.broken =
                Some("I3, I4 or I5: a call got an older value than one that it must contain");
        }
        if process.place.map(usize::from) != Some(f) {
            return false;
        }
        process.place = None;
        let is_current = flight.snapshot.generations == process.generations;
        let may_keep = rules::may_keep(flight.snapshot.gap == process.gap, is_current);
        let Some((proven, created, stamps)) = proof.filter(|_| may_keep) else {
            return false;
        };
        let snapshot = if mutant::is(Mutant::B4) {
            process.snapshot(now)
        } else {
            flight.snapshot
        };
        process.memory = Some(Memory {
            value,
            snapshot,
            proven,
            created,
            stamps,
        });
        true
    }

    pub(super) fn fill(&self, p: usize) -> Option<Self> {
        let fill = self.processes[p].fill?;
        let connection = self.processes[p].data?;
        let mut next = self.clone();
        next.processes[p].fill = None;
        next.servers[usize::from(connection.server)].entry = Some(fill);
        Some(next)
    }

    /// From calls that begin behind an outage the shared tier may not hide, while others have what they could not send,
    /// what they changed meanwhile.
    pub(super) fn check_drain(&mut self, p: usize, value: Each<u8>, snapshot: Snapshot) {
        let process = &self.processes[p];
        let is_draining = snapshot.gap == process.gap
            && process.back_at > 0
            && u64::from(self.now) < after(process.back_at.into(), DRAIN);
        if is_draining && !contains(value, process.drained) {
            self.broken = Some("after an outage: the shared tier was believed too early");
        }
    }

    /// A call looks at the entry in memory; what it looks at second comes later.
    pub(super) fn look(&self, p: usize) -> Option<Self> {
        let process = &self.processes[p];
        let memory = process.memory.filter(|_| process.look.is_none())?;
        let mut next = self.clone();
        next.left.looks = self.left.looks.checked_sub(1)?;
        next.processes[p].look = Some(Look {
            now: self.now,
            fence: process.fence,
            entry: memory,
            is_current: memory.snapshot.gap == process.gap
                && memory.snapshot.generations == process.generations,
            floor: self.floor(p),
        });
        Some(next)
    }

    pub(super) fn look_again(&self, p: usize) -> Option<Self> {
        let process = &self.processes[p];
        let look = process.look?;
        let is_last = mutant::is(Mutant::B12);
        let fence = if is_last { process.fence } else { look.fence };
        let lease = rules::lease(look.entry.proven.into(), fence.into(), nanos(super::BOUND));
        let is_unchanged = if is_last {
            look.is_current
        } else {
            let snapshot = &look.entry.snapshot;
            snapshot.gap == process.gap && snapshot.generations == process.generations
        };
        let mut next = self.clone();
        next.processes[p].look = None;
        if rules::is_usable(is_unchanged, look.now.into(), lease) {
            next.serve(look.entry.value, look.floor);
        }
        Some(next)
    }

    /// Somebody has a value, and hands it over.
    pub(super) fn put(&self, p: usize) -> Option<Self> {
        if self.processes[p].put.is_some() {
            return None;
        }
        let mut next = self.clone();
        next.left.puts = self.left.puts.checked_sub(1)?;
        let process = &mut next.processes[p];
        process.put = Some(Put {
            value: self.source,
            snapshot: process.snapshot(self.now),
            began: self.now,
        });
        Some(next)
    }

    pub(super) fn put_lands(&self, p: usize) -> Option<Self> {
        let put = self.processes[p].put?;
        let mut next = self.clone();
        let process = &mut next.processes[p];
        let is_late = mutant::is(Mutant::B15);
        process.put = None;
        process.place = None;
        process.fill = None;
        process.memory = (process.held == [0; 2]).then(|| Memory {
            value: put.value,
            snapshot: if is_late {
                process.snapshot(self.now)
            } else {
                put.snapshot
            },
            proven: if is_late { self.now } else { put.began },
            created: put.began,
            stamps: None,
        });
        Some(next)
    }
}

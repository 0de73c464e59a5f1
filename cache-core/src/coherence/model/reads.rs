//! Calls and their flights: from the capture to the entry that is kept.

use super::{
    BOUND, Scenario,
    world::{
        Caller, Connection, Each, Flight, Memory, Phase, Process, Reply, Shared, Snapshot, Stamps,
        Tag, World, contains, has, raise,
    },
};
use crate::clock::nanos;
use crate::coherence::{
    Doubt, Lineage,
    mutant::{self, Mutant},
    rules::{self, Doubted},
};

impl Stamps {
    pub(super) fn are(self, now: Self) -> bool {
        let of = |stamps: Self| stamps.versions.map(u64::from);
        let lineage = |stamps: Self| Lineage(stamps.lineage.into());
        rules::are_stamps((&of(self), lineage(self)), (&of(now), lineage(now)))
    }

    /// Nothing where a tag has no version.
    pub(super) fn of(tags: Each<Tag>, lineage: u8) -> Option<Self> {
        match tags {
            [Tag::At(a), Tag::At(b)] => Some(Self {
                versions: [a, b],
                lineage,
            }),
            _ => None,
        }
    }
}

impl Process {
    pub(super) fn snapshot(&self, taken: u8) -> Snapshot {
        Snapshot {
            gap: self.gap,
            fence: self.fence,
            generations: self.generations,
            taken,
        }
    }

    fn is_held(&self) -> bool {
        self.held != [0; 2]
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending != [0; 2] || self.is_held()
    }

    fn is_current(&self, snapshot: Snapshot) -> bool {
        snapshot.generations == self.generations
    }

    pub(super) fn is_usable(&self, memory: &Memory, now: u8) -> bool {
        let lease = rules::lease(memory.proven.into(), self.fence.into(), nanos(BOUND));
        let is_unchanged = memory.snapshot.gap == self.gap && self.is_current(memory.snapshot);
        rules::is_usable(is_unchanged, now.into(), lease)
    }

    fn suspect(&self, now: u8) -> Option<Memory> {
        let memory = self.memory.filter(|memory| memory.stamps.is_some())?;
        let is_usable = self.is_usable(&memory, now);
        let doubt = rules::doubt(
            is_usable,
            self.is_current(memory.snapshot),
            self.is_pending(),
        );
        let is_doubted = self
            .doubted()
            .has_suspect(memory.created.into(), now.into());
        (doubt == Some(Doubt::Suspect) && !is_doubted).then_some(memory)
    }

    pub(super) fn doubted(&self) -> Doubted {
        Doubted {
            created_before: self.doubted_before.into(),
            until: self.doubts_until.into(),
        }
    }

    /// The process's flight with this number, which is in the phase that the caller has looked for.
    fn flight(&mut self, flight: usize) -> &mut Flight {
        self.flights[flight].as_mut().expect("the flight is there")
    }
}

impl World {
    /// What a call that arrives now must get.
    pub(super) fn floor(&self, p: usize) -> Each<u8> {
        let mut floor = self.processes[p].floor;
        raise(&mut floor, self.completed[2]);
        floor
    }

    pub(super) fn arrive(&self, scenario: &Scenario, p: usize) -> Option<Self> {
        let process = &self.processes[p];
        let is_usable = |memory: &Memory| process.is_usable(memory, self.now);
        if !has(self.readers, p)
            || process.caller.is_some()
            || process.memory.as_ref().is_some_and(is_usable)
        {
            return None;
        }
        let caller = Caller {
            began: process.snapshot(self.now),
            snapshot: (!scenario.splits_calls).then(|| process.snapshot(self.now)),
            floor: self.floor(p),
        };
        if scenario.splits_calls && self.left.flights == 0 {
            return None;
        }
        let mut next = self.clone();
        next.processes[p].caller = Some(caller);
        if scenario.splits_calls {
            return Some(next);
        }
        next.join(p).filter(|next| next != self)
    }

    pub(super) fn capture(&self, p: usize) -> Option<Self> {
        let process = &self.processes[p];
        let caller = process.caller.filter(|caller| caller.snapshot.is_none())?;
        let snapshot = Snapshot {
            generations: process.generations,
            ..caller.began
        };
        let mut next = self.clone();
        next.processes[p].caller = Some(Caller {
            snapshot: Some(snapshot),
            ..caller
        });
        Some(next)
    }

    pub(super) fn join(&self, p: usize) -> Option<Self> {
        let process = &self.processes[p];
        let caller = process.caller?;
        let snapshot = caller.snapshot?;
        let mut next = self.clone();
        let joiner = &mut next.processes[p];
        joiner.caller = None;
        if let Some(place) = process.place.map(usize::from)
            && let Some(flight) = &mut joiner.flights[place]
            && Self::may_join(flight.snapshot, snapshot)
        {
            raise(&mut flight.floor, caller.floor);
            return Some(next);
        }
        if let Some(memory) = process
            .memory
            .filter(|memory| process.is_usable(memory, self.now))
        {
            next.serve(memory.value, caller.floor);
            return Some(next);
        }
        let free = process.flights.iter().position(Option::is_none)?;
        next.left.flights = self.left.flights.checked_sub(1)?;
        let joiner = &mut next.processes[p];
        joiner.place = u8::try_from(free).ok();
        joiner.flights[free] = Some(Flight {
            snapshot,
            phase: Phase::Begun,
            met_mark: false,
            floor: caller.floor,
        });
        Some(next)
    }

    fn may_join(flight: Snapshot, caller: Snapshot) -> bool {
        let (now, fence) = (caller.taken.into(), caller.fence.into());
        let oldest = rules::oldest_capture(now, fence, nanos(BOUND));
        let is_of_generations = flight.generations == caller.generations;
        rules::may_join(
            flight.gap == caller.gap,
            is_of_generations,
            flight.taken.into(),
            oldest,
        )
    }

    /// Somebody gets a value.
    pub(super) fn serve(&mut self, value: Each<u8>, floor: Each<u8>) {
        if !contains(value, floor) {
            self.broken =
                Some("I3, I4 or I5: a call got an older value than one that it must contain");
        }
    }

    fn phase(&self, p: usize, f: usize) -> Option<Phase> {
        self.processes[p].flights[f].map(|flight| flight.phase)
    }

    fn enter(&self, p: usize, f: usize, phase: Phase) -> Self {
        let mut next = self.clone();
        next.processes[p].flight(f).phase = phase;
        next
    }

    /// The server answers, or nobody asks it.
    pub(super) fn read(&self, p: usize, f: usize) -> Option<Self> {
        let phase = self.phase(p, f)?;
        let may_revalidate = matches!(phase, Phase::Begun);
        if !may_revalidate && phase != Phase::Unchecked {
            return None;
        }
        let process = &self.processes[p];
        let connection = process
            .data
            .filter(|_| !rules::bypasses(process.is_pending()));
        let Some(connection) = connection else {
            return Some(self.enter(p, f, Phase::Ready(None)));
        };
        let server = &self.servers[usize::from(connection.server)];
        let reply = Reply {
            entry: server.entry,
            tags: server.tags,
            connection,
            sent: self.now,
        };
        let suspect = may_revalidate.then(|| process.suspect(self.now)).flatten();
        Some(match suspect {
            Some(suspect) => {
                let reply = Reply {
                    entry: None,
                    ..reply
                };
                self.enter(p, f, Phase::Revalidating(reply, suspect))
            }
            None => self.enter(p, f, Phase::Replied(reply)),
        })
    }

    pub(super) fn lose_read(&self, p: usize, f: usize) -> Option<Self> {
        let is_read = matches!(
            self.phase(p, f)?,
            Phase::Begun | Phase::Unchecked | Phase::Ensuring
        );
        let left = self.left.lost_reads.checked_sub(1).filter(|_| is_read)?;
        let mut next = self.enter(p, f, Phase::Ready(None));
        next.left.lost_reads = left;
        Some(next)
    }

    /// The lineage that a reply counts for; nothing where it is thrown away, or no longer to be believed.
    fn accept(&mut self, p: usize, reply: &Reply) -> Option<u8> {
        let now: Option<Connection> = self.processes[p].data;
        let is_whole = now == Some(reply.connection) || mutant::is(Mutant::B9);
        let lineage = now.filter(|_| is_whole)?.lineage;
        self.observe(p, lineage);
        (!rules::bypasses(self.processes[p].is_pending())).then_some(lineage)
    }

    pub(super) fn revalidate(&self, p: usize, f: usize) -> Option<Self> {
        let Phase::Revalidating(reply, suspect) = self.phase(p, f)? else {
            return None;
        };
        let mut next = self.enter(p, f, Phase::Unchecked);
        let found = next.accept(p, &reply);
        let Some(found) = found.and_then(|lineage| Stamps::of(reply.tags, lineage)) else {
            return Some(next);
        };
        let process = &mut next.processes[p];
        let snapshot = process.flight(f).snapshot;
        let are_current = suspect.stamps.is_some_and(|own| own.are(found));
        let is_of_snapshot = suspect.snapshot.generations == snapshot.generations;
        if !rules::may_revalidate(is_of_snapshot, are_current) {
            return Some(next);
        }
        if let Some(memory) = &mut process.memory
            && memory.value == suspect.value
            && memory.stamps == suspect.stamps
            && memory.snapshot.generations == suspect.snapshot.generations
        {
            memory.proven = memory.proven.max(reply.sent);
            memory.snapshot.gap = snapshot.gap;
            if mutant::is(Mutant::B11) {
                memory.snapshot.generations = process.generations;
            }
        }
        next.check_drain(p, suspect.value, snapshot);
        next.land_with(p, f, suspect.value, None);
        Some(next)
    }

    pub(super) fn judge(&self, p: usize, f: usize) -> Option<Self> {
        let Phase::Replied(reply) = self.phase(p, f)? else {
            return None;
        };
        let mut next = self.enter(p, f, Phase::Ready(None));
        let Some(lineage) = next.accept(p, &reply) else {
            return Some(next);
        };
        let now = u64::from(self.now);
        let stamps = Stamps::of(reply.tags, lineage);
        let process = &mut next.processes[p];
        let doubted = process.doubted();
        let is_valid = |entry: &Shared, read| {
            entry.stamps.are(read) && !doubted.has(entry.created.into(), now)
        };
        if let (Some(entry), Some(read)) = (reply.entry, stamps)
            && is_valid(&entry, read)
        {
            if entry.stamps.lineage != reply.connection.lineage {
                next.broken = Some("I8: an entry of another lineage was believed");
            }
            let snapshot = process.flight(f).snapshot;
            next.check_drain(p, entry.value, snapshot);
            let proof = (reply.sent, entry.created, stamps);
            next.land_with(p, f, entry.value, Some(proof));
            return Some(next);
        }
        let is_marked = reply.tags.iter().any(|tag| matches!(tag, Tag::Marked(_)));
        let flight = process.flight(f);
        flight.met_mark |= is_marked;
        flight.phase = if stamps.is_none() && !is_marked && !mutant::is(Mutant::B5) {
            Phase::Ensuring
        } else {
            Phase::Ready(stamps)
        };
        Some(next)
    }

    pub(super) fn ensure(&self, p: usize, f: usize) -> Option<Self> {
        if self.phase(p, f)? != Phase::Ensuring {
            return None;
        }
        let Some(connection) = self.processes[p].data else {
            return Some(self.enter(p, f, Phase::Ready(None)));
        };
        let mut next = self.clone();
        let server = &mut next.servers[usize::from(connection.server)];
        server.ensure();
        let stamps = Stamps::of(server.tags, connection.lineage);
        let is_marked = server.tags.iter().any(|tag| matches!(tag, Tag::Marked(_)));
        next.observe(p, connection.lineage);
        let flight = next.processes[p].flight(f);
        flight.met_mark |= is_marked;
        flight.phase = Phase::Ready(stamps);
        Some(next)
    }
}

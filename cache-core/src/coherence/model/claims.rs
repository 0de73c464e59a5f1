//! What must hold in every state.

use super::world::{Change, Process, Server, Stamps, Step, World, contains, has};

impl World {
    /// The claim that this state breaks.
    pub(super) fn breaks(&self) -> Option<&'static str> {
        if self.broken.is_some() {
            return self.broken;
        }
        let living = self.processes.iter().filter(|process| !process.is_dead);
        let mut claims = living.filter_map(|process| self.breaks_at(process));
        claims.next().or_else(|| self.breaks_at_servers())
    }

    fn breaks_at(&self, process: &Process) -> Option<&'static str> {
        let usable = process
            .memory
            .filter(|memory| process.is_usable(memory, self.now));
        if let Some(memory) = usable {
            if !contains(memory.value, process.floor) {
                return Some("I2: a usable entry in memory misses an invalidation applied here");
            }
            if !contains(memory.value, self.completed[2]) {
                return Some(
                    "I5: a usable entry in memory misses a bump completed longer ago than the bound",
                );
            }
            if self.is_marked_before(process, memory.value) {
                return Some(
                    "guarded: a usable entry in memory misses a write whose mark was heard here",
                );
            }
        }
        let owes = (0..2).any(|event| !self.is_owned_up(process, event));
        owes.then_some("I12: a write has its bump neither acknowledged nor queued")
    }

    fn is_marked_before(&self, process: &Process, value: [u8; 2]) -> bool {
        let marks = self.guarded.iter().enumerate();
        let mut heard = marks.filter(|(nonce, _)| process.heard_nonces & (1 << nonce) != 0);
        heard.any(|(_, writes)| !contains(value, *writes))
    }

    fn is_owned_up(&self, process: &Process, event: usize) -> bool {
        let written = process.written[event];
        let is_ahead = match process.change {
            Change::Written(number) | Change::WrittenHeld(number) => usize::from(number) == event,
            _ => false,
        };
        let announces = |job: &super::world::Job| {
            let is_again = job.again || job.step == Step::Later;
            job.covers[event] >= written || is_again && job.tags & self.bumps[event] != 0
        };
        written <= process.acknowledged[event]
            || is_ahead
            || process.jobs.iter().flatten().any(announces)
    }

    fn breaks_at_servers(&self) -> Option<&'static str> {
        let valid = |server: &Server| {
            let now = Stamps::of(server.tags, server.lineage)?;
            server.entry.filter(|entry| entry.stamps.are(now))
        };
        for server in self.servers.iter().filter(|server| server.is_alive) {
            if valid(server).is_some_and(|entry| !contains(entry.value, server.bumped)) {
                return Some(
                    "I1: a valid entry of the shared tier misses a bump completed in its lineage",
                );
            }
        }
        let primary = valid(&self.servers[usize::from(self.primary)]);
        if primary.is_some_and(|entry| self.is_guarded && !contains(entry.value, self.source)) {
            return Some("guarded: a valid entry of the shared tier misses a write");
        }
        if !self.is_quiet() {
            return None;
        }
        let in_memory = self
            .processes
            .iter()
            .filter(|process| !process.is_dead)
            .filter_map(|process| {
                let memory = process
                    .memory
                    .filter(|memory| process.is_usable(memory, self.now))?;
                Some(memory.value)
            });
        let mut all = in_memory.chain(primary.map(|entry| entry.value));
        all.any(|value| !self.is_guarded && !contains(value, self.source))
            .then_some("I7: nothing is on its way, and something old is believed")
    }

    /// Everybody is connected to the primary, and nothing is on its way.
    fn is_quiet(&self) -> bool {
        let is_quiet = |p: usize, process: &Process| {
            let lineage = self.servers[usize::from(self.primary)].lineage;
            process.lineage == lineage
                && (process.ears.is_told || !has(self.readers, p))
                && !process.ears.is_black_hole
                && (process.ears.server == self.primary || !has(self.readers, p))
                && process.ears.inbox.is_empty()
                && process.data.is_some_and(|data| data.server == self.primary)
                && process.change == Change::None
                && process.jobs.iter().all(Option::is_none)
        };
        let mut processes = self.processes.iter().enumerate();
        !self.is_out && processes.all(|(p, process)| process.is_dead || is_quiet(p, process))
    }
}

//! Changes of the source, from their first announcement to the emission.

use super::{
    Scenario,
    world::{Change, Job, Process, Step, Tag, World, has},
};

impl World {
    fn may_begin(&self, scenario: &Scenario, p: usize, event: usize) -> bool {
        // Where there are outages, what is written outside of them is looked at elsewhere.
        let is_time = scenario.left.outages == 0 || self.is_out;
        let is_idle = self.processes[p].change == Change::None;
        is_time && is_idle && event < scenario.events && has(scenario.writers, p)
    }

    pub(super) fn write(&self, scenario: &Scenario, p: usize, event: usize) -> Option<Self> {
        let number = u8::try_from(event).ok()?;
        let mut next = self.clone();
        let change = match self.processes[p].change {
            Change::None if self.may_begin(scenario, p, event) => {
                next.left.writes = self.left.writes.checked_sub(1)?;
                Change::Written(number)
            }
            Change::Marked(marked) if marked == number => Change::Written(number),
            Change::Held(held) if held == number => Change::WrittenHeld(number),
            _ => return None,
        };
        next.commit(p, event);
        next.processes[p].change = change;
        Some(next)
    }

    fn commit(&mut self, p: usize, event: usize) {
        self.source[event] += 1;
        let process = &mut self.processes[p];
        process.written[event] = self.source[event];
        if process.nonce != 0 {
            self.guarded[process.nonce.trailing_zeros() as usize] = process.written;
        }
    }

    pub(super) fn hold(&self, scenario: &Scenario, p: usize, event: usize) -> Option<Self> {
        let may = self.may_begin(scenario, p, event) && self.processes[p].releasing == 0;
        let mut next = self.clone();
        next.left.holds = self.left.holds.checked_sub(1).filter(|_| may)?;
        let process = &mut next.processes[p];
        Process::of_tags(&mut process.held, self.bumps[event], |count| *count += 1);
        process.change = Change::Held(u8::try_from(event).ok()?);
        Some(next)
    }

    pub(super) fn cancel(&self, p: usize) -> Option<Self> {
        let Change::Held(event) = self.processes[p].change else {
            return None;
        };
        let mut next = self.clone();
        let process = &mut next.processes[p];
        let tags = self.bumps[usize::from(event)];
        Process::of_tags(&mut process.held, tags, |count| *count -= 1);
        process.change = Change::None;
        Some(next)
    }

    /// A guarded mutation announces itself. It is refused where it cannot.
    pub(super) fn mark(&self, scenario: &Scenario, p: usize, event: usize) -> Option<Self> {
        let may = self.may_begin(scenario, p, event);
        let connection = self.processes[p].data?;
        let mut next = self.clone();
        next.left.marks = self.left.marks.checked_sub(1).filter(|_| may)?;
        let (tags, number) = (self.bumps[event], u8::try_from(event).ok()?);
        let server = usize::from(connection.server);
        // Each process has four bits.
        let nonce = 1 << (4 * p + usize::from(next.left.marks));
        let mut others_and_own = nonce;
        for tag in (0..2).filter(|tag| has(tags, *tag)) {
            let others = match next.servers[server].tags[tag] {
                Tag::Marked(nonces) => nonces,
                Tag::Missing | Tag::At(_) => 0,
            };
            others_and_own |= others;
            next.servers[server].tags[tag] = Tag::Marked(others | nonce);
        }
        next.publish(server, p, (tags, [0; 2], others_and_own));
        let process = &mut next.processes[p];
        process.invalidate(tags);
        process.nonce = nonce;
        process.change = Change::Marked(number);
        Some(next)
    }

    /// A caller vanishes, and what it did may yet be committed.
    pub(super) fn vanish(&self, scenario: &Scenario, p: usize, event: usize) -> Option<Self> {
        let may = self.may_begin(scenario, p, event);
        let mut next = self.clone();
        next.left.vanishings = self.left.vanishings.checked_sub(1).filter(|_| may)?;
        let process = &mut next.processes[p];
        process.change = Change::Vanished(u8::try_from(event).ok()?);
        process.invalidate(self.bumps[event]);
        process.push(Job {
            tags: self.bumps[event],
            covers: [0; 2],
            step: Step::Ready,
            has_failed: false,
            again: true,
            has_waiter: false,
            nonce: 0,
        });
        Some(next)
    }

    pub(super) fn commit_late(&self, p: usize) -> Option<Self> {
        let Change::Vanished(event) = self.processes[p].change else {
            return None;
        };
        let mut next = self.clone();
        next.commit(p, usize::from(event));
        next.processes[p].change = Change::None;
        Some(next)
    }

    pub(super) fn emit(&self, p: usize) -> Option<Self> {
        let (Change::Written(event) | Change::WrittenHeld(event)) = self.processes[p].change else {
            return None;
        };
        let event = usize::from(event);
        let mut next = self.clone();
        let process = &mut next.processes[p];
        if matches!(process.change, Change::WrittenHeld(_)) {
            process.releasing = self.bumps[event];
        }
        process.change = Change::None;
        let mut covers = [0; 2];
        covers[event] = process.written[event];
        let nonce = std::mem::take(&mut process.nonce);
        process.push(Job {
            tags: self.bumps[event],
            covers,
            step: Step::Ready,
            has_failed: false,
            again: false,
            has_waiter: true,
            nonce,
        });
        Some(next)
    }

    /// A process dies between the commit and the bump.
    pub(super) fn die(&self, p: usize) -> Option<Self> {
        let Change::Written(_) = self.processes[p].change else {
            return None;
        };
        let mut next = self.clone();
        next.left.deaths = self.left.deaths.checked_sub(1)?;
        next.processes[p] = Process {
            is_dead: true,
            written: self.processes[p].written,
            data: None,
            ..Process::new(false)
        };
        next.processes[p].ears.is_connected = false;
        Some(next)
    }
}

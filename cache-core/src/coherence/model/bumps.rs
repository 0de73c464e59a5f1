//! Bumps: what a server makes of one, and its way there and back.

use super::world::{Each, Heard, Job, Process, Server, Step, Tag, Tags, World, has, raise};
use crate::coherence::{
    Lineage,
    mutant::{self, Mutant},
    rules,
};

/// `max(current + 1, time)`, as the server's script has it. Its clock shows another time at every look.
fn next_version(current: Option<u8>, time: u8) -> u8 {
    let next = current.map_or(0, |current| current + 1);
    if mutant::is(Mutant::B7) {
        next.max(1)
    } else {
        next.max(time)
    }
}

impl Server {
    fn time(&mut self) -> u8 {
        self.clock += 1;
        self.clock
    }

    fn give_version(&mut self, tag: usize) {
        let time = self.time();
        let current = match self.tags[tag] {
            Tag::At(version) => Some(version),
            Tag::Missing | Tag::Marked(_) => None,
        };
        self.tags[tag] = Tag::At(next_version(current, time));
    }

    /// Gives each tag that is missing a version.
    pub(super) fn ensure(&mut self) {
        for tag in 0..2 {
            if self.tags[tag] == Tag::Missing {
                self.give_version(tag);
            }
        }
    }

    /// Gives who still marks a tag.
    fn bump(&mut self, tags: Tags, nonce: u8) -> u8 {
        let mut left = 0;
        for tag in (0..2).filter(|tag| has(tags, *tag)) {
            match self.tags[tag] {
                Tag::Marked(nonces) if nonces & !nonce != 0 => {
                    self.tags[tag] = Tag::Marked(nonces & !nonce);
                    left |= nonces & !nonce;
                }
                _ => self.give_version(tag),
            }
        }
        left
    }
}

impl Process {
    pub(super) fn of_tags(counts: &mut Each<u8>, tags: Tags, change: impl Fn(&mut u8)) {
        let of_tags = counts
            .iter_mut()
            .enumerate()
            .filter(|(tag, _)| has(tags, *tag));
        of_tags.for_each(|(_, count)| change(count));
    }

    pub(super) fn invalidate(&mut self, tags: Tags) {
        Self::of_tags(&mut self.generations, tags, |count| *count += 1);
    }

    pub(super) fn push(&mut self, job: Job) {
        Self::of_tags(&mut self.pending, job.tags, |count| *count += 1);
        let free = self.jobs.iter_mut().find(|job| job.is_none());
        *free.expect("a scenario has few jobs at a time") = Some(job);
    }

    /// The mutation has returned: what is called from here on must see it.
    fn tell(&mut self, job: &mut Job) {
        raise(&mut self.floor, job.covers);
        if std::mem::take(&mut job.has_waiter) {
            Self::of_tags(&mut self.held, self.releasing, |count| *count -= 1);
            self.releasing = 0;
        }
    }
}

impl World {
    pub(super) fn publish(&mut self, server: usize, origin: usize, said: (Tags, Each<u8>, u8)) {
        let (tags, covers, nonces) = said;
        let number = |place: usize| u8::try_from(place).unwrap_or(u8::MAX);
        let (number, by) = (number(server), number(origin));
        let others = self.processes.iter_mut().enumerate();
        for (_, other) in others.filter(|(other, _)| *other != origin) {
            let ears = &mut other.ears;
            if ears.is_connected && ears.server == number && !ears.is_black_hole {
                ears.inbox.push(Heard {
                    tags,
                    covers,
                    origin: by,
                    nonces,
                });
            }
        }
    }

    pub(super) fn bump(&self, p: usize, j: usize) -> Option<Self> {
        let process = &self.processes[p];
        let job = process.jobs[j].filter(|job| job.step == Step::Ready)?;
        let is_done = |job: &Job| matches!(job.step, Step::Done { .. });
        if process.jobs.iter().flatten().any(is_done) {
            return None;
        }
        let connection = process.data?;
        let mut next = self.clone();
        let server = usize::from(connection.server);
        let nonces = next.servers[server].bump(job.tags, job.nonce);
        raise(&mut next.servers[server].bumped, job.covers);
        if connection.server == self.primary {
            raise(&mut next.completed[0], job.covers);
        }
        next.publish(server, p, (job.tags, job.covers, nonces));
        if let Some(job) = &mut next.processes[p].jobs[j] {
            job.step = Step::Done {
                lineage: connection.lineage,
                is_old: false,
            };
        }
        Some(next)
    }

    pub(super) fn acknowledge(&self, p: usize, j: usize) -> Option<Self> {
        let mut job = self.processes[p].jobs[j]?;
        let Step::Done { lineage, .. } = job.step else {
            return None;
        };
        let mut next = self.clone();
        let process = &mut next.processes[p];
        for tag in (0..2).filter(|tag| has(job.tags, *tag)) {
            process.ledger[tag] = lineage;
        }
        raise(&mut process.ledger_covers, job.covers);
        raise(&mut process.acknowledged, job.covers);
        if !mutant::is(Mutant::B2) {
            process.invalidate(job.tags);
        }
        Process::of_tags(&mut process.pending, job.tags, |count| *count -= 1);
        process.tell(&mut job);
        job.step = Step::Later;
        process.jobs[j] = std::mem::take(&mut job.again).then_some(job);
        next.observe(p, lineage);
        Some(next)
    }

    /// A bump is not known to have arrived. Without a connection that costs nothing.
    pub(super) fn fail(&self, p: usize, j: usize) -> Option<Self> {
        let process = &self.processes[p];
        let mut job = process.jobs[j]?;
        let mut next = self.clone();
        match job.step {
            Step::Ready if process.data.is_none() => {}
            Step::Ready | Step::Done { .. } => {
                next.left.lost_bumps = self.left.lost_bumps.checked_sub(1)?;
            }
            Step::Failed | Step::Later => return None,
        }
        let process = &mut next.processes[p];
        if !std::mem::replace(&mut job.has_failed, true) {
            process.invalidate(job.tags);
        }
        process.tell(&mut job);
        job.step = Step::Failed;
        process.jobs[j] = Some(job);
        Some(next)
    }

    /// Its caller waits no longer.
    pub(super) fn overdue(&self, p: usize, j: usize) -> Option<Self> {
        let mut job = self.processes[p].jobs[j].filter(|job| job.has_waiter)?;
        let mut next = self.clone();
        next.left.lost_bumps = self.left.lost_bumps.checked_sub(1)?;
        let process = &mut next.processes[p];
        process.invalidate(job.tags);
        process.tell(&mut job);
        process.jobs[j] = Some(job);
        Some(next)
    }

    /// What failed is tried again, and what was to be sent again is. What has not been committed by then never is.
    pub(super) fn retry(&self, p: usize, j: usize) -> Option<Self> {
        let process = &self.processes[p];
        let mut job = process.jobs[j]?;
        let mut next = self.clone();
        let process = match job.step {
            Step::Failed if process.data.is_some() => &mut next.processes[p],
            Step::Later => {
                let process = &mut next.processes[p];
                Process::of_tags(&mut process.pending, job.tags, |count| *count += 1);
                process.change = super::world::Change::None;
                job.covers = self.covered(job.tags, process.written);
                process
            }
            _ => return None,
        };
        job.step = Step::Ready;
        process.jobs[j] = Some(job);
        Some(next)
    }

    /// A server of this lineage was heard.
    pub(super) fn observe(&mut self, p: usize, lineage: u8) {
        let process = &mut self.processes[p];
        let (before, now) = (Lineage(process.lineage.into()), Lineage(lineage.into()));
        process.lineage = lineage;
        if !rules::is_replaced(Some(before), now) {
            return;
        }
        let mut tags = 0;
        for (tag, acknowledged_by) in process.ledger.iter_mut().enumerate() {
            let is_known = *acknowledged_by != 0;
            if is_known && rules::may_not_know(now, Lineage((*acknowledged_by).into())) {
                *acknowledged_by = lineage;
                tags |= 1 << tag;
            }
        }
        if tags != 0 {
            let acknowledged = process.ledger_covers;
            let job = Job {
                tags,
                covers: self.covered(tags, acknowledged),
                step: Step::Ready,
                has_failed: false,
                again: false,
                has_waiter: false,
                nonce: 0,
            };
            self.processes[p].push(job);
        }
    }

    /// Those writes that a bump of these tags announces.
    fn covered(&self, tags: Tags, writes: Each<u8>) -> Each<u8> {
        let is_covered = |event: usize| self.bumps[event] & tags != 0;
        std::array::from_fn(|event| if is_covered(event) { writes[event] } else { 0 })
    }
}

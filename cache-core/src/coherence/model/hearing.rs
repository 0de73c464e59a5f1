//! Connections, what is heard over them, and what becomes of servers.

use std::time::Duration;

use super::{
    BOUND, DRAIN, Scenario,
    world::{Connection, Ears, Process, Step, Tag, World, has, raise},
};
use crate::coherence::rules::Doubted;

impl World {
    pub(super) fn lose_connection(&self, p: usize) -> Option<Self> {
        self.processes[p].data?;
        let mut next = self.clone();
        next.left.lost_connections = self.left.lost_connections.checked_sub(1)?;
        next.processes[p].data = None;
        Some(next)
    }

    pub(super) fn connect(&self, p: usize) -> Option<Self> {
        let process = &self.processes[p];
        if process.data.is_some() || process.is_dead || self.is_out {
            return None;
        }
        let mut next = self.clone();
        let process = &mut next.processes[p];
        process.epoch += 1;
        process.data = Some(Connection {
            server: self.primary,
            lineage: self.servers[usize::from(self.primary)].lineage,
            epoch: process.epoch,
        });
        Some(next)
    }

    pub(super) fn subscribe(&self, p: usize) -> Option<Self> {
        let process = &self.processes[p];
        if process.ears.is_connected || !has(self.readers, p) || process.is_dead || self.is_out {
            return None;
        }
        let mut next = self.clone();
        next.processes[p].ears = Ears {
            server: self.primary,
            is_connected: true,
            ..Ears::deaf()
        };
        Some(next)
    }

    /// A connection tells its process whose it is, if nothing else does.
    pub(super) fn beat(&self, p: usize) -> Option<Self> {
        let lineage = self.processes[p].data?.lineage;
        (lineage != self.processes[p].lineage).then(|| {
            let mut next = self.clone();
            next.observe(p, lineage);
            next
        })
    }

    /// A process learns that it is subscribed.
    pub(super) fn connected(&self, p: usize) -> Option<Self> {
        let ears = &self.processes[p].ears;
        if !ears.is_connected || ears.is_told {
            return None;
        }
        let lineage = self.servers[usize::from(ears.server)].lineage;
        let mut next = self.clone();
        let mut returned = [0; 2];
        self.processes
            .iter()
            .for_each(|process| raise(&mut returned, process.floor));
        let process = &mut next.processes[p];
        process.ears.is_told = true;
        let (fence, now) = (process.fence.into(), self.now.into());
        if let Some(doubted) = Doubted::after_outage(fence, now, BOUND, DRAIN) {
            let tick = |time: u64| u8::try_from(time).expect("a model has few ticks");
            process.doubted_before = tick(doubted.created_before);
            process.doubts_until = tick(doubted.until);
            process.back_at = self.now;
            process.drained = returned;
        }
        process.gap += 1;
        let jobs = process.jobs.iter_mut().flatten();
        jobs.filter(|job| job.step == Step::Failed)
            .for_each(|job| job.step = Step::Ready);
        next.observe(p, lineage);
        Some(next)
    }

    /// A server has answered a ping, behind all that it published before, and that was heard. Later would prove less.
    pub(super) fn ping(&self, p: usize) -> Option<Self> {
        let process = &self.processes[p];
        let ears = &process.ears;
        let is_useful = process.fence < self.now && ears.inbox.is_empty();
        let can =
            ears.is_told && !ears.is_black_hole && self.servers[usize::from(ears.server)].is_alive;
        (can && is_useful).then(|| {
            let mut next = self.clone();
            next.processes[p].fence = self.now;
            next.observe(p, self.servers[usize::from(ears.server)].lineage);
            next
        })
    }

    pub(super) fn hear(&self, p: usize) -> Option<Self> {
        let ears = &self.processes[p].ears;
        // It reads on, told or not: what is heard early is no harm.
        let heard = *ears.inbox.first()?;
        let data = self.processes[p].data;
        let is_primary =
            ears.server == self.primary && data.is_none_or(|data| data.server == self.primary);
        let mut next = self.clone();
        let process = &mut next.processes[p];
        process.ears.inbox.remove(0);
        process.invalidate(heard.tags);
        if heard.nonces == 0 {
            process.marked_by &= !(1 << heard.origin);
        } else {
            process.marked_by |= 1 << heard.origin;
            process.heard_nonces |= heard.nonces;
        }
        // One that was replaced, and does not know, promises nothing to those who know.
        if is_primary {
            raise(&mut process.floor, heard.covers);
        }
        Some(next)
    }

    /// What nobody hears over any more is noticed for free.
    pub(super) fn lose_ears(&self, p: usize) -> Option<Self> {
        let ears = &self.processes[p].ears;
        let is_cut = ears.is_black_hole || !self.servers[usize::from(ears.server)].is_alive;
        let mut next = self.clone();
        if !is_cut {
            next.left.lost_ears = self.left.lost_ears.checked_sub(1)?;
        }
        next.processes[p].ears = Ears::deaf();
        ears.is_connected.then_some(next)
    }

    pub(super) fn black_hole(&self, p: usize) -> Option<Self> {
        let ears = &self.processes[p].ears;
        let mut next = self.clone();
        next.left.black_holes = self.left.black_holes.checked_sub(1)?;
        next.processes[p].ears.is_black_hole = true;
        (ears.is_connected && !ears.is_black_hole).then_some(next)
    }

    /// Begins when there is something that it makes doubtful, and nothing else under way. Heartbeats went on until then.
    pub(super) fn outage(&self) -> Option<Self> {
        let is_idle = |process: &Process| process.place.is_none() && process.fill.is_none();
        let is_heard = |(p, process): (usize, &Process)| {
            process.fence + 1 >= self.now || !has(self.readers, p)
        };
        let is_time = self.servers[0].entry.is_some()
            && self.processes.iter().all(is_idle)
            && self.processes.iter().enumerate().all(is_heard);
        if !self.is_out && !is_time {
            return None;
        }
        let mut next = self.clone();
        if !std::mem::replace(&mut next.is_out, !self.is_out) {
            next.left.outages = self.left.outages.checked_sub(1)?;
            for process in &mut next.processes {
                process.data = None;
                process.ears.is_black_hole = process.ears.is_connected;
            }
        }
        Some(next)
    }

    pub(super) fn evict(&self, scenario: &Scenario, tag: usize) -> Option<Self> {
        let server = usize::from(self.primary);
        let is_there = tag < scenario.tags && matches!(self.servers[server].tags[tag], Tag::At(_));
        let mut next = self.clone();
        next.left.evictions = self.left.evictions.checked_sub(1).filter(|_| is_there)?;
        next.servers[server].tags[tag] = Tag::Missing;
        Some(next)
    }

    /// The mark of a dead writer expires.
    pub(super) fn expire(&self, tag: usize) -> Option<Self> {
        let server = usize::from(self.primary);
        let Tag::Marked(nonces) = self.servers[server].tags[tag] else {
            return None;
        };
        let is_alive =
            |(p, process): (usize, &Process)| nonces & (0b1111 << (4 * p)) != 0 && !process.is_dead;
        if self.processes.iter().enumerate().any(is_alive) {
            return None;
        }
        let mut next = self.clone();
        next.servers[server].tags[tag] = Tag::Missing;
        Some(next)
    }

    /// All that the first server has arrives at the second.
    pub(super) fn copy(&self) -> Option<Self> {
        let (from, to) = (&self.servers[0], &self.servers[1]);
        let is_behind = (from.clock, from.tags, from.entry) != (to.clock, to.tags, to.entry);
        let mut next = self.clone();
        next.left.copies = self
            .left
            .copies
            .checked_sub(1)
            .filter(|_| self.primary == 0 && is_behind)?;
        next.servers[1].clock = from.clock;
        next.servers[1].tags = from.tags;
        next.servers[1].entry = from.entry;
        Some(next)
    }

    /// The second server takes over; the first one ends, or does not notice.
    pub(super) fn fail_over(&self, ends: bool) -> Option<Self> {
        if self.primary == 1 {
            return None;
        }
        let mut next = self.clone();
        let left = if ends {
            &mut next.left.failovers
        } else {
            &mut next.left.splits
        };
        *left = left.checked_sub(1)?;
        next.primary = 1;
        next.servers[1].is_alive = true;
        next.servers[1].lineage = 2;
        if ends {
            next.servers[0].is_alive = false;
            next.processes
                .iter_mut()
                .for_each(|process| process.data = None);
        }
        Some(next)
    }

    pub(super) fn tick(&self) -> Option<Self> {
        let mut next = self.clone();
        next.left.ticks = self.left.ticks.checked_sub(1)?;
        next.now += 1;
        next.completed[2] = self.completed[1];
        next.completed[1] = self.completed[0];
        // Whoever was cut off is back, and has sent what waited, while others doubt.
        let drain = u8::try_from(DRAIN.as_nanos()).unwrap_or(u8::MAX);
        let is_over = |back_at: u8| back_at > 0 && next.now >= back_at.saturating_add(drain);
        let is_owed = self
            .processes
            .iter()
            .any(|process| process.jobs.iter().any(Option::is_some));
        for job in next
            .processes
            .iter_mut()
            .flat_map(|process| process.jobs.iter_mut().flatten())
        {
            // An answer is waited for, or given up, before the bound is over.
            if let Step::Done { is_old, .. } = &mut job.step
                && std::mem::replace(is_old, true)
            {
                return None;
            }
        }
        let is_late = self
            .processes
            .iter()
            .any(|process| is_over(process.back_at))
            && is_owed;
        (!is_late).then_some(next)
    }
}

const _: () = assert!(
    BOUND.as_nanos() == Duration::from_nanos(2).as_nanos(),
    "`completed` has three parts"
);

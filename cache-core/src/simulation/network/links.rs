//! Connections as they come and go, and what processes hear by them.

use super::{Event, Link, Network, Outage};
use crate::{
    clock::{Nanos, after, system_now},
    coherence::DRAIN,
    simulation::cluster::whole::Told,
};

impl Network {
    /// What the process has of a connection is gone. What it had sent may still arrive.
    pub(in crate::simulation) fn close(&mut self, link: u64) {
        let Some(open) = self.links.get(&link) else {
            return;
        };
        if !open.is_open {
            return;
        }
        let process = open.who.process;
        self.leaves(process);
        let Some(open) = self.links.get_mut(&link) else {
            return;
        };
        open.is_open = false;
        open.is_subscribed = false;
        open.is_heard = false;
        open.waiting.clear();
        open.listener = None;
    }

    /// What a process follows is about to change.
    pub(super) fn leaves(&mut self, process: usize) {
        let now = system_now();
        if self.follows_another(process) {
            self.astray[process] = now;
        }
    }

    /// Whether a process follows, or just followed, a server that is no longer the primary.
    pub(in crate::simulation) fn is_astray(&self, process: usize, since: Nanos) -> bool {
        self.astray[process] > since || self.follows_another(process)
    }

    pub(super) fn follows_another(&self, process: usize) -> bool {
        self.follows(process, |server| !self.primaries.contains(&server))
    }

    /// Whether a process listens to such a server, or to none and asks one.
    pub(super) fn follows(&self, process: usize, is_such: impl Fn(usize) -> bool) -> bool {
        let links = self.links.values();
        let mut open = links.filter(|link| link.is_open && link.who.process == process);
        if self.is_cluster() {
            // Each of them is asked for what it has, whoever else is listened to.
            return open.any(|link| is_such(link.server));
        }
        let mut heard = open.clone().filter(|link| link.is_heard).peekable();
        if heard.peek().is_some() {
            heard.any(|link| is_such(link.server))
        } else {
            open.any(|link| is_such(link.server))
        }
    }

    /// The connections of a process, or of all.
    pub(in crate::simulation) fn links(&self, process: Option<usize>) -> Vec<u64> {
        let of = |link: &Link| process.is_none_or(|process| process == link.who.process);
        let open = self
            .links
            .iter()
            .filter(|(_, link)| link.is_open && of(link));
        open.map(|(number, _)| *number).collect()
    }

    pub(in crate::simulation) fn listens(&self, link: u64) -> bool {
        let link = self.links.get(&link);
        link.is_some_and(|link| link.listener.is_some())
    }

    pub(in crate::simulation) fn links_to(&self, server: usize) -> Vec<u64> {
        let open = self.links.iter();
        let open = open.filter(|(_, link)| link.is_open && link.server == server);
        open.map(|(number, _)| *number).collect()
    }

    /// A connection ends with an error; of what was sent, only a part may arrive.
    pub(in crate::simulation) fn reset(&mut self, link: u64) {
        let kept = self.random.below(3);
        let mut sent = 0;
        self.events.retain(|_, event| match event {
            Event::Question(of, ..) if *of == link => {
                sent += 1;
                sent <= kept
            }
            _ => true,
        });
        self.close(link);
    }

    pub(in crate::simulation) fn silence(&mut self, link: u64, questions: bool, answers: bool) {
        if let Some(link) = self.links.get_mut(&link) {
            link.loses_questions |= questions;
            link.loses_answers |= answers;
        }
        if answers {
            self.events
                .retain(|_, event| !matches!(event, Event::Delivery(of, _) if *of == link));
        }
    }

    /// Another thread is so fast that a connection of a process listens before this one goes on.
    pub(in crate::simulation) fn hasten(&mut self, process: usize) {
        let now = system_now();
        let listening = self.links.iter();
        let Some(link) = listening
            .filter(|(_, link)| {
                link.is_open && link.who.process == process && link.listener.is_some()
            })
            .map(|(number, _)| *number)
            .next_back()
        else {
            return;
        };
        let Some(to) = self.links.get_mut(&link) else {
            return;
        };
        let server = &self.servers[to.server];
        let is_near = server.is_up && server.is_master && server.hangs_until <= now;
        if to.is_subscribed || to.loses_answers || to.loses_questions || !is_near {
            return;
        }
        to.is_subscribed = true;
        let Some(ear) = to.listener.clone() else {
            return;
        };
        self.begins_to_listen(link, now);
        if let Some(listener) = ear.listener.upgrade() {
            listener.connected(ear.lineage);
            listener.fenced(now, ear.lineage);
        }
        self.fences[process] = now;
    }

    pub(super) fn begins_to_listen(&mut self, link: u64, now: Nanos) {
        let Some(process) = self.links.get(&link).map(|link| link.who.process) else {
            return;
        };
        self.leaves(process);
        if let Some(link) = self.links.get_mut(&link) {
            link.is_heard = true;
        }
        if !self.is_cluster() {
            self.hears(process, now);
        }
    }

    /// A process is told of the whole cluster.
    pub(in crate::simulation) fn is_told(&mut self, process: usize, told: Told, now: Nanos) {
        match told {
            Told::Hears => self.hears(process, now),
            Told::Fenced(sent) => self.fences[process] = self.fences[process].max(sent),
        }
    }

    /// A process has begun to hear all.
    pub(in crate::simulation) fn hears(&mut self, process: usize, now: Nanos) {
        let fence = self.fences[process];
        if fence > 0 && now > fence + self.bound {
            let cut_at = self.cut_at[process];
            // The cut is what it was deaf from, where a heartbeat would have shown that it was before.
            let is_cause = cut_at > fence && cut_at < fence + self.bound / 2;
            self.outages[process] = Outage {
                lost_at: if is_cause { cut_at } else { fence },
                hears_since: now,
                drained_at: after(now, DRAIN),
            };
        }
        self.listens[process] = now;
        self.has_cause(process);
        self.log(|| format!("process {process} listens"));
    }
}

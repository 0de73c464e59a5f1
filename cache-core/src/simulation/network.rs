//! Servers and the connections to them. Within a connection all comes in order; between connections it does not.

mod links;
mod records;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Weak,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    cluster::{gossip::Gossip, moves::Moves},
    history::{History, Who},
    random::Random,
    server::{Answer, Command, Server},
};
use crate::{
    clock::{Nanos, system_now},
    coherence::Lineage,
    l2::{Listener, redis::stage::slot_of},
};

pub(super) const MS: Nanos = 1_000_000;

/// One connection of a process.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fault of its own, and any of them may come together"
)]
struct Link {
    who: Who,
    server: usize,
    /// Where what is published goes.
    listener: Option<Ear>,
    is_subscribed: bool,
    /// To these parts of the channel; where there are none, to all of it.
    parts: Vec<String>,
    /// The server said that it no longer has one of them.
    is_cut_off: bool,
    /// Whoever listens was told that it does.
    is_heard: bool,
    is_open: bool,
    /// Silence in one direction, without an error.
    loses_questions: bool,
    loses_answers: bool,
    last_question: Nanos,
    last_answer: Nanos,
    waiting: BTreeMap<u64, oneshot::Sender<Answer>>,
}

/// Who listens by a connection.
#[derive(Clone)]
pub(super) struct Ear {
    pub(super) listener: Weak<dyn Listener>,
    pub(super) origin: String,
    pub(super) lineage: Lineage,
}

pub(super) enum Packet {
    Answer(u64, Answer),
    Message(Vec<u8>),
    CutOff,
}

pub(super) enum Event {
    Gossip(Gossip),
    Question(u64, u64, Command),
    Turn(usize),
    Delivery(u64, Packet),
}

/// An entry that a server gave to a process.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) who: Who,
    pub(super) load: usize,
    pub(super) at: Nanos,
    pub(super) lineage: u64,
}

/// The last time that a process was deaf for longer than the bound: others may have changes of that time still on
/// their way until it is drained.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outage {
    pub(super) lost_at: Nanos,
    pub(super) hears_since: Nanos,
    pub(super) drained_at: Nanos,
}

/// The world outside the processes.
pub(super) struct Network {
    pub(super) random: Random,
    pub(super) servers: Vec<Server>,
    /// The current primary of each shard: of one, where it is no cluster.
    pub(super) primaries: Vec<usize>,
    /// Which shard it is that faults are on.
    pub(super) struck: usize,
    pub(super) moves: Moves,
    /// How long nodes of a cluster take to hear of each other at least, in milliseconds.
    pub(super) gossip_takes: u64,
    links: BTreeMap<u64, Link>,
    events: BTreeMap<(Nanos, u64), Event>,
    numbers: u64,
    lineages: u64,
    pub(super) slowest: u64,
    pub(super) slowest_caller: u64,
    /// Added to the time of all servers, in microseconds.
    pub(super) clock_step: i64,
    ticks: u64,
    /// Processes that reach no server.
    pub(super) is_cut: [bool; 3],
    /// Until when each process sees nothing of what arrives.
    pub(super) frozen_until: [Nanos; 3],
    /// Processes that do not reach one server.
    pub(super) apart: BTreeSet<(usize, usize)>,
    /// Those that hear nothing of what it publishes.
    pub(super) deaf: BTreeSet<(usize, usize)>,
    /// When a process last left a server that was no longer the primary.
    astray: [Nanos; 3],
    pub(super) history: History,
    pub(super) given: Vec<Given>,
    /// When processes last had a reason to load anew.
    causes: [Nanos; 3],
    /// Each time that the lineage of a server changed under its connections.
    pub(super) renamed: Vec<Nanos>,
    /// When each process last began to listen.
    pub(super) listens: [Nanos; 3],
    /// Until when each process has heard all.
    pub(super) fences: [Nanos; 3],
    /// Guarded mutations under way, and when the last one ended.
    pub(super) guarded: usize,
    pub(super) guarded_until: Nanos,
    /// Marks may have been lost with the servers that had them.
    pub(super) has_lost_marks: bool,
    /// When each process was last cut off.
    pub(super) cut_at: [Nanos; 3],
    pub(super) outages: [Outage; 3],
    /// The lineage that a process last read a tag under.
    pub(super) read_under: BTreeMap<(usize, String), u64>,
    pub(super) bound: Nanos,
    /// When questions were asked that are under way.
    asked: BTreeMap<u64, Nanos>,
    pub(super) hash: u64,
    pub(super) log: Option<Vec<String>>,
}

/// What every load writes into its value.
pub(super) fn load_in(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(5).position(|window| window == b"LOAD:")?;
    let digits = str::from_utf8(bytes.get(at + 5..at + 13)?).ok()?;
    digits.parse().ok()
}

impl Network {
    pub(super) fn new(random: Random, slowest: u64, bound: Nanos, is_logged: bool) -> Self {
        Self {
            random,
            servers: vec![Server::new(1)],
            primaries: vec![0],
            struck: 0,
            moves: Moves::default(),
            gossip_takes: 0,
            links: BTreeMap::new(),
            events: BTreeMap::new(),
            numbers: 0,
            lineages: 1,
            slowest,
            slowest_caller: 0,
            clock_step: 0,
            ticks: 0,
            is_cut: [false; 3],
            frozen_until: [0; 3],
            apart: BTreeSet::new(),
            deaf: BTreeSet::new(),
            astray: [0; 3],
            history: History::default(),
            given: Vec::new(),
            causes: [0; 3],
            renamed: Vec::new(),
            listens: [0; 3],
            fences: [0; 3],
            guarded: 0,
            guarded_until: 0,
            has_lost_marks: false,
            cut_at: [0; 3],
            outages: [Outage::default(); 3],
            read_under: BTreeMap::new(),
            bound,
            asked: BTreeMap::new(),
            hash: 0xCBF2_9CE4_8422_2325,
            log: is_logged.then(Vec::new),
        }
    }

    /// A process has a reason to load anew.
    pub(super) fn has_cause(&mut self, process: usize) {
        self.causes[process] = system_now();
    }

    pub(super) fn last_cause(&self, process: usize) -> Nanos {
        // A flight that stood still with its process is older than its load tells.
        let frozen = self.frozen_until[process].min(system_now());
        self.causes[process].max(frozen)
    }

    /// Adds to what tells this run from others.
    pub(super) fn note(&mut self, words: &[u64]) {
        for word in words {
            self.hash = (self.hash ^ word)
                .wrapping_mul(0x0100_0000_01B3)
                .rotate_left(5);
        }
    }

    pub(super) fn log(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            let ms = system_now() / MS % 1_000_000;
            log.push(format!("{:>3}.{:03} {}", ms / 1_000, ms % 1_000, line()));
        }
    }

    pub(super) fn next_lineage(&mut self) -> u64 {
        self.lineages += 1;
        self.lineages
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn schedule(&mut self, due: Nanos, event: Event) {
        let number = self.number();
        self.events.insert((due, number), event);
    }

    fn delay(&mut self) -> Nanos {
        let slowest = if self.random.percent(5) {
            self.slowest * 8
        } else {
            self.slowest
        };
        self.random.below(slowest + 1) * MS
    }

    /// A connection to one server; where none is said, to the primary, or to what a process that has not heard of another
    /// takes for it.
    pub(super) fn open(&mut self, who: Who, to: Option<usize>) -> Option<u64> {
        let server = to.unwrap_or(self.primaries[0]);
        if !self.servers[server].is_up {
            return None;
        }
        let number = self.number();
        let is_cut = self.is_cut[who.process] || self.apart.contains(&(who.process, server));
        self.links.insert(
            number,
            Link {
                who,
                server,
                listener: None,
                is_subscribed: false,
                parts: Vec::new(),
                is_cut_off: false,
                is_heard: false,
                is_open: true,
                loses_questions: is_cut,
                loses_answers: is_cut,
                last_question: 0,
                last_answer: 0,
                waiting: BTreeMap::new(),
            },
        );
        Some(number)
    }

    pub(super) fn listen(&mut self, link: u64, ear: Ear) {
        if let Some(link) = self.links.get_mut(&link) {
            link.listener = Some(ear);
            link.loses_answers |= self.deaf.contains(&(link.who.process, link.server));
        }
    }

    /// Sends a question; what gives the answer fails when the connection does.
    pub(super) fn ask(&mut self, link: u64, command: Command) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let (delay, number) = (self.delay(), self.number());
        let Some(open) = self.links.get_mut(&link).filter(|link| link.is_open) else {
            return receiver;
        };
        open.waiting.insert(number, sender);
        self.asked.insert(number, system_now());
        let due = (system_now() + delay).max(open.last_question);
        open.last_question = due;
        if !open.loses_questions {
            self.schedule(due, Event::Question(link, number, command));
        }
        receiver
    }

    /// How long the one who asked does not see an answer that has arrived, where it is not at once.
    pub(super) fn stalls(&mut self) -> Option<u64> {
        let slowest = self.slowest_caller;
        (slowest > 0 && self.random.percent(30)).then(|| self.random.below(slowest))
    }

    pub(super) fn next_due(&self) -> Option<Nanos> {
        self.events.first_key_value().map(|((due, _), _)| *due)
    }

    /// Does what is due.
    pub(super) fn run(&mut self) {
        let now = system_now();
        while let Some((&(due, number), _)) = self.events.first_key_value()
            && due <= now
            && let Some(event) = self.events.remove(&(due, number))
        {
            match event {
                Event::Gossip(gossip) => self.hear(gossip),
                Event::Question(link, number, command) => self.arrive(link, number, command, now),
                Event::Turn(server) => self.turn(server, now),
                Event::Delivery(link, packet) => {
                    let until = self.frozen_until(link);
                    if until > now {
                        // By its number it keeps its place among the others.
                        let waits = Event::Delivery(link, packet);
                        self.events.insert((until, number), waits);
                    } else {
                        self.deliver(link, packet, now);
                    }
                }
            }
        }
    }

    /// Until when whoever has a connection sees nothing of what arrives.
    fn frozen_until(&self, link: u64) -> Nanos {
        let of = self.links.get(&link);
        of.map_or(0, |link| self.frozen_until[link.who.process])
    }

    fn arrive(&mut self, link: u64, number: u64, command: Command, now: Nanos) {
        let Some(of) = self.links.get(&link) else {
            return;
        };
        let (server, busy) = (of.server, self.random.below(3) * MS);
        let to = &mut self.servers[server];
        if !to.is_up {
            return;
        }
        to.inbox.push((link, number, command));
        if !std::mem::replace(&mut to.is_turn_due, true) {
            let due = (now + busy).max(to.hangs_until);
            self.schedule(due, Event::Turn(server));
        }
    }

    /// All that has arrived is done in its order, and only then are answers sent.
    fn turn(&mut self, server: usize, now: Nanos) {
        self.servers[server].is_turn_due = false;
        let mut outgoing = Vec::new();
        for (link, number, command) in std::mem::take(&mut self.servers[server].inbox) {
            if !self.servers[server].is_up {
                return;
            }
            self.ticks += 1;
            let time = i64::try_from(1_700_000_000_000_000 + now / 1_000 + self.ticks).unwrap_or(0);
            let time = u64::try_from(time + self.clock_step).unwrap_or(0);
            let parts = match &command {
                Command::Subscribe(parts) => Some(parts.clone()),
                _ => None,
            };
            let is_asking = matches!(command, Command::Asking(_));
            self.record_tags(server, link, &command);
            let (answer, effects) = self.servers[server].run(command, time, now);
            let asked = self.asked.remove(&number).unwrap_or(now);
            self.record(server, link, &answer, (asked, now));
            for published in &effects.published {
                self.record_published(server, published, is_asking, now);
            }
            if matches!(answer, Answer::Subscribed)
                && let (Some(parts), Some(link)) = (parts, self.links.get_mut(&link))
            {
                link.is_subscribed = true;
                link.parts = parts;
            }
            outgoing.push((link, Packet::Answer(number, answer)));
            for published in effects.published {
                let messages = self.subscribers(server, |part| part == &*published.channel);
                let message = |link| (link, Packet::Message(published.text.clone()));
                outgoing.extend(messages.into_iter().map(message));
            }
        }
        self.send(outgoing, now);
    }

    /// Whoever subscribed at a server to such a part, or to all.
    fn subscribers(&self, server: usize, is_it: impl Fn(&str) -> bool) -> Vec<u64> {
        let subscribed = self.links.iter().filter(|(_, to)| {
            let is_its = to.parts.is_empty() || to.parts.iter().any(|part| is_it(part));
            to.is_subscribed && to.server == server && is_its
        });
        subscribed.map(|(link, _)| *link).collect()
    }

    /// A server no longer has the parts in a slot, and says so to those who subscribed.
    pub(super) fn cut_off(&mut self, server: usize, slot: u16, now: Nanos) {
        let subscribers = self.subscribers(server, |part| slot_of(part) == slot);
        let subscribers = subscribers.into_iter();
        let outgoing = subscribers.map(|link| (link, Packet::CutOff)).collect();
        self.send(outgoing, now);
    }

    pub(super) fn is_cut_off(&self, link: u64) -> bool {
        self.links.get(&link).is_some_and(|link| link.is_cut_off)
    }

    fn send(&mut self, outgoing: Vec<(u64, Packet)>, now: Nanos) {
        for (link, packet) in outgoing {
            let delay = self.delay();
            let Some(to) = self.links.get_mut(&link) else {
                continue;
            };
            let due = (now + delay).max(to.last_answer);
            to.last_answer = due;
            if !to.loses_answers {
                self.schedule(due, Event::Delivery(link, packet));
            }
        }
    }

    fn deliver(&mut self, link: u64, packet: Packet, now: Nanos) {
        let Some(to) = self.links.get_mut(&link).filter(|link| link.is_open) else {
            return;
        };
        let who = to.who;
        match packet {
            Packet::Answer(number, answer) => {
                let waiting = to.waiting.remove(&number);
                if matches!(answer, Answer::Subscribed)
                    && let Some(ear) = to.listener.clone()
                {
                    self.begins_to_listen(link, now);
                    if let Some(listener) = ear.listener.upgrade() {
                        listener.connected(ear.lineage);
                    }
                }
                if let Some(waiting) = waiting {
                    // Whoever asked may be gone.
                    let _ = waiting.send(answer);
                }
                self.note(&[now, link, number]);
            }
            Packet::CutOff => to.is_cut_off = true,
            Packet::Message(message) => {
                if let Some(ear) = to.listener.clone()
                    && let Some(listener) = ear.listener.upgrade()
                {
                    listener.heard(&message);
                    self.history.heard(who, &ear.origin, &message, now);
                    self.has_cause(who.process);
                    self.log(|| {
                        let text = String::from_utf8_lossy(&message);
                        format!("process {} hears {}", who.process, text.trim())
                    });
                }
                self.note(&[now, link]);
            }
        }
    }
}

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

//! The channel of a stand-in for Redis: who listens, what reaches them and when, and the proof of it.
//!
//! What is published reaches all who listen before whoever published it goes on, unless it was told to be late. The
//! locks are taken from the outside in: the stand-in's state, all ears, one ear.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::Notify,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{Inner, faults::Fault};
use crate::{
    clock::{Nanos, system_now},
    l2::{Lineage, Listener},
    lock::Mutex,
    tasks,
};

/// A beat is never faster.
const SHORTEST_BEAT: Duration = Duration::from_millis(10);

/// All who listen.
#[derive(Default)]
pub(super) struct Ears(Mutex<Vec<Weak<Ear>>>);

/// One cache, listening.
pub(super) struct Ear {
    channel: Box<str>,
    beat: Duration,
    listener: Weak<dyn Listener>,
    line: Mutex<Line>,
    changed: Notify,
}

/// What is between the stand-in and one cache.
#[derive(Default)]
struct Line {
    is_up: bool,
    /// Something was published that will never arrive.
    is_silent: bool,
    /// What is under way, and when it arrives.
    under_way: VecDeque<(Instant, News)>,
    next_beat: Option<Instant>,
    task: Option<JoinHandle<()>>,
}

enum News {
    Message(Arc<str>),
    Fence(Nanos, Lineage),
}

impl Ears {
    pub(super) fn add(&self, ear: &Arc<Ear>) {
        let mut ears = self.0.lock();
        ears.retain(|ear| ear.strong_count() > 0);
        ears.push(Arc::downgrade(ear));
    }

    fn each(&self, act: impl Fn(&Ear)) {
        for ear in self.0.lock().iter().filter_map(Weak::upgrade) {
            act(&ear);
        }
    }

    /// With what is wrong with this message, and with those to come.
    pub(super) fn publish(
        &self,
        channel: &str,
        message: &str,
        fault: Fault,
        (standing, lineage): (Fault, Lineage),
    ) {
        if fault == Fault::Fail {
            return self.interrupt(standing, lineage);
        }
        let message: Arc<str> = message.into();
        self.each(|ear| {
            if *ear.channel == *channel {
                ear.receive(&message, fault);
            }
        });
    }

    /// Every connection breaks; each is made anew where nothing stands against it.
    pub(super) fn interrupt(&self, standing: Fault, lineage: Lineage) {
        self.each(|ear| {
            let mut line = ear.line.lock();
            ear.lose(&mut line);
            ear.connect(&mut line, standing, lineage);
        });
    }

    /// Those without a connection make one where nothing stands against it.
    pub(super) fn reconnect(&self, standing: Fault, lineage: Lineage) {
        self.each(|ear| ear.connect(&mut ear.line.lock(), standing, lineage));
    }
}

impl Ear {
    pub(super) fn new(channel: &str, beat: Duration, listener: &Arc<dyn Listener>) -> Arc<Self> {
        Arc::new(Self {
            channel: channel.into(),
            beat: beat.max(SHORTEST_BEAT),
            listener: Arc::downgrade(listener),
            line: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Makes sure that a task sees to the beats: on this runtime, if the one before is gone.
    pub(super) fn attend(self: &Arc<Self>, redis: &Arc<Inner>, runtime: &Handle) {
        let mut line = self.line.lock();
        if line.task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let ear = Arc::downgrade(self);
        let beats = beats(ear, Arc::downgrade(redis));
        line.task = Some(tasks::spawn(runtime, beats));
        drop(line);
        self.turn(redis);
    }

    pub(super) fn close(&self) {
        let mut line = self.line.lock();
        if let Some(task) = line.task.take() {
            task.abort();
        }
        self.lose(&mut line);
    }

    /// Does what is to be done now. Gives when there will be more.
    fn turn(&self, redis: &Inner) -> Instant {
        let (standing, lineage) = {
            let state = redis.state.lock();
            (state.message_faults.standing(), state.lineage())
        };
        let now = Instant::now();
        let mut line = self.line.lock();
        while let Some((_, news)) = line.under_way.pop_front_if(|(due, _)| *due <= now) {
            self.tell(news);
        }
        if line.next_beat.is_none_or(|beat| beat <= now) {
            line.next_beat = Some(now + self.beat);
            let is_dead = line.is_silent || matches!(standing, Fault::Fail | Fault::Hang);
            if line.is_up && is_dead {
                self.lose(&mut line);
            }
            self.connect(&mut line, standing, lineage);
            if line.is_up {
                self.send(&mut line, News::Fence(system_now(), lineage), standing);
            }
        }
        let beat = line.next_beat.unwrap_or(now);
        let due = line.under_way.front().map(|(due, _)| *due);
        due.map_or(beat, |due| due.min(beat))
    }

    fn receive(&self, message: &Arc<str>, fault: Fault) {
        let mut line = self.line.lock();
        if line.is_up {
            self.send(&mut line, News::Message(Arc::clone(message)), fault);
        }
    }

    /// Hands something over, behind all that is under way.
    fn send(&self, line: &mut Line, news: News, fault: Fault) {
        let delay = match fault {
            Fault::Delay(by) => by,
            Fault::Fail | Fault::Hang => {
                line.is_silent = true;
                return;
            }
        };
        if delay.is_zero() && line.under_way.is_empty() {
            return self.tell(news);
        }
        let last = line.under_way.back().map(|(due, _)| *due);
        let due = Instant::now() + delay;
        let due = last.map_or(due, |last| last.max(due));
        line.under_way.push_back((due, news));
        self.changed.notify_one();
    }

    fn tell(&self, news: News) {
        if let Some(listener) = self.listener.upgrade() {
            match news {
                News::Message(message) => listener.heard(message.as_bytes()),
                News::Fence(sent, lineage) => listener.fenced(sent, lineage),
            }
        }
    }

    fn connect(&self, line: &mut Line, standing: Fault, lineage: Lineage) {
        // Nobody has attended to it yet, or will again.
        let is_attended = line.task.is_some();
        if line.is_up || !is_attended || matches!(standing, Fault::Fail | Fault::Hang) {
            return;
        }
        line.is_up = true;
        if let Some(listener) = self.listener.upgrade() {
            listener.connected(lineage);
        }
    }

    fn lose(&self, line: &mut Line) {
        line.is_silent = false;
        line.under_way.clear();
        if std::mem::take(&mut line.is_up)
            && let Some(listener) = self.listener.upgrade()
        {
            listener.lost();
        }
    }
}

async fn beats(ear: Weak<Ear>, redis: Weak<Inner>) {
    loop {
        let (Some(here), Some(redis)) = (ear.upgrade(), redis.upgrade()) else {
            return;
        };
        let next = here.turn(&redis);
        drop(redis);
        // Woken early or not, the next turn tells.
        let _ = timeout_at(next, here.changed.notified()).await;
    }
}

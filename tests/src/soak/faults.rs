//! What goes wrong. Each fault strikes, lasts, and is over when it returns.

mod anywhere;
mod cluster;
mod far;
mod network;
mod sentinel;
mod server;

use std::{thread::sleep, time::Duration};

pub(super) use self::{far::Far, network::Network, server::Lines};
use super::{
    Faults, Release, SHORT_LIFE,
    ground::{Ground, MEMBERS, Stage},
    source::Kind,
};

/// A fault, and what is stated of it.
pub(super) struct Fault<S> {
    pub(super) name: &'static str,
    /// Something is written of which nobody is told: it is held to the lifetime of entries.
    is_silent: bool,
    /// It takes longer than a test may.
    is_long: bool,
    /// Members end by it, and begin anew.
    pub(super) is_deadly: bool,
    pub(super) strike: fn(&mut Ground<S>),
}

impl<S> Fault<S> {
    pub(super) const fn new(name: &'static str, strike: fn(&mut Ground<S>)) -> Self {
        Self {
            name,
            is_silent: false,
            is_long: false,
            is_deadly: false,
            strike,
        }
    }

    const fn silent(name: &'static str, strike: fn(&mut Ground<S>)) -> Self {
        Self {
            is_silent: true,
            ..Self::new(name, strike)
        }
    }

    const fn long(mut self) -> Self {
        self.is_long = true;
        self
    }

    const fn deadly(mut self) -> Self {
        self.is_deadly = true;
        self
    }

    pub(super) fn is_in(&self, faults: &Faults) -> bool {
        match faults {
            Faults::All => true,
            Faults::Short => !self.is_long,
            Faults::Named(words) => self.name.contains(words.as_str()),
        }
    }

    /// To what values are held.
    pub(super) fn stated(&self, bound: Duration) -> String {
        if self.is_silent {
            format!("{bound:?}; untold `ttl`")
        } else {
            format!("{bound:?}")
        }
    }
}

impl<S: Stage> Fault<S> {
    // What happens to processes is the same wherever their entries are.

    const NONE: Self = Self::new("none", |ground| sleep(ground.bound));
    const KILLED_AFTER_COMMIT: Self =
        Self::silent("a process killed between commit and event", |ground| {
            kill_process(ground, Kind::Plain);
        })
        .deadly();
    const KILLED_WHILE_GUARDED: Self =
        Self::silent("a process killed in a guarded mutation", |ground| {
            kill_process(ground, Kind::Guarded);
        })
        .deadly();
    const DEPLOYED: Self = Self::new("a rolling deploy of another value type", |ground| {
        for release in [Release::After, Release::Before] {
            for number in 0..MEMBERS {
                ground.deploy(number, release);
                // Both are there meanwhile.
                sleep(ground.bound);
            }
        }
    })
    .deadly();
    const STOPPED: Self = Self::new("a process stopped for 3 s", |ground| {
        ground.members[1].stop();
        sleep(Duration::from_secs(3));
        ground.members[1].go_on();
    });
}

fn kill_process<S: Stage>(ground: &mut Ground<S>, kind: Kind) {
    for number in 0..MEMBERS {
        let source = ground.source.clone();
        let member = &mut ground.members[number];
        source.between_commit_and_answer(member.life, kind, || member.kill());
        ground.restart(number);
    }
    // What they wrote is seen when what was loaded before is over.
    sleep(SHORT_LIFE);
}

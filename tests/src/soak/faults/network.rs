//! A network that loses packets: no connection ends for it, and nobody is told.

use std::{thread::sleep, time::Duration};

use super::Fault;
use crate::{
    server::{self, Server},
    soak::{
        ground::{Ground, Stage},
        process::Process,
    },
};

/// Servers in a network of their own.
#[derive(Debug)]
pub(in crate::soak) struct Network<S>(S);

impl<S: Stage> Stage for Network<S> {
    const FAULTS: &'static [Fault<Self>] = &[
        Fault::NONE,
        Fault::new("all packets lost for 300 ms", |ground| lose(ground, 300)),
        Fault::silent("all packets lost for 5 s", |ground| lose(ground, 5_000)),
        // So long that the kernel hardly tries any more to send what it has.
        Fault::silent("all packets lost for 22 s", |ground| lose(ground, 22_000)).long(),
        Fault::new("the same, and nobody writes", |ground| {
            ground.members.iter_mut().for_each(Process::quiet);
            sleep(ground.bound);
            lose(ground, 22_000);
            ground.members.iter_mut().for_each(Process::write);
        })
        .long(),
    ];

    fn start() -> Result<Self, String> {
        server::apart(S::start)?.map(Self)
    }

    fn primaries(&self) -> Vec<&Server> {
        self.0.primaries()
    }

    fn settle(&self) {
        self.0.settle();
    }

    fn url(&self, member: usize) -> String {
        self.0.url(member)
    }
}

/// One server, and nothing between it and the members.
impl Stage for Server {
    const FAULTS: &'static [Fault<Self>] = &[Fault::NONE];

    fn start() -> Result<Self, String> {
        Ok(Self::start())
    }

    fn primaries(&self) -> Vec<&Server> {
        vec![self]
    }

    fn url(&self, _member: usize) -> String {
        Self::url(self)
    }
}

fn lose<S: Stage>(ground: &mut Ground<Network<S>>, milliseconds: u64) {
    // All are in one network.
    ground.stage.primaries()[0].lose_packets();
    sleep(Duration::from_millis(milliseconds));
    ground.stage.primaries()[0].pass_packets();
}

//! One server, in a network that loses packets: no connection ends for it, and nobody is told.

use std::{thread::sleep, time::Duration};

use super::Fault;
use crate::{
    server::Server,
    soak::{
        ground::{Ground, Stage},
        process::Process,
    },
};

/// A server in a network of its own.
#[derive(Debug)]
pub(in crate::soak) struct Network {
    server: Server,
}

impl Stage for Network {
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
        let server = Server::apart()?;
        Ok(Self { server })
    }

    fn primaries(&self) -> Vec<&Server> {
        vec![&self.server]
    }

    fn url(&self, _member: usize) -> String {
        self.server.url()
    }
}

fn lose(ground: &mut Ground<Network>, milliseconds: u64) {
    ground.stage.server.lose_packets();
    sleep(Duration::from_millis(milliseconds));
    ground.stage.server.pass_packets();
}

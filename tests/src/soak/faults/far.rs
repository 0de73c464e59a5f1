//! Servers of Sentinel and of a cluster at the other ends of lines, and what happens to those.

use std::{fmt, thread::sleep, time::Duration};

use super::{Fault, server::Connections};
use crate::{
    clusters::Cluster,
    proxy::Proxy,
    sentinels::Watched,
    server::{Server, behind_lines},
    soak::ground::{Ground, Stage},
};

/// Servers that all others reach by lines.
#[derive(Debug)]
pub(in crate::soak) struct Far<S>(S);

/// What may be far away.
pub(in crate::soak) trait Distant: Stage + fmt::Debug {
    fn start_behind_lines() -> Self;
}

impl Distant for Watched {
    fn start_behind_lines() -> Self {
        // What is slow is not down.
        let patient = "sentinel down-after-milliseconds mymaster 3000";
        Self::with(&[], (patient, &[]))
    }
}

impl Distant for Cluster {
    fn start_behind_lines() -> Self {
        Self::start()
    }
}

impl<S: Distant> Stage for Far<S> {
    const FAULTS: &'static [Fault<Self>] = &[
        Fault::NONE,
        Fault::new("asking connections black-holed", |ground| {
            black_hole(ground, Connections::Asking);
        }),
        Fault::new("listening connections black-holed", |ground| {
            black_hole(ground, Connections::Listening);
        }),
        Fault::silent("all lines 200 ms longer", delay),
    ];

    fn start() -> Result<Self, String> {
        Ok(Self(behind_lines(S::start_behind_lines)))
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

fn lines<S: Distant>(ground: &Ground<Far<S>>) -> Vec<&Proxy> {
    let servers = ground.stage.primaries().into_iter();
    servers
        .map(|it| it.line().expect("it is behind one"))
        .collect()
}

/// Those of all members to all primaries, and no others.
fn black_hole<S: Distant>(ground: &mut Ground<Far<S>>, which: Connections) {
    for server in ground.stage.primaries() {
        let line = server.line().expect("it is behind one");
        let lost = line.black_hole_from(&which.ports(server));
        assert!(lost > 0, "members have connections");
    }
    sleep(2 * ground.bound);
    ground.stage.settle();
}

fn delay<S: Distant>(ground: &mut Ground<Far<S>>) {
    for line in lines(ground) {
        line.delay(Duration::from_millis(200));
    }
    sleep(2 * ground.bound);
    for line in lines(ground) {
        line.pass();
    }
    ground.stage.settle();
}

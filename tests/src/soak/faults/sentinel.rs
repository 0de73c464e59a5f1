//! A primary and two replicas, which three sentinels watch.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::{Fault, anywhere::lose_events};
use crate::{
    sentinels::{SERVICE, Watched},
    server::{Server, with_own_clocks},
    soak::{
        ground::{Ground, Stage},
        service::{Watch, Witnesses},
    },
};

impl Stage for Watched {
    const FAULTS: &'static [Fault<Self>] = &[
        Fault::NONE,
        Fault::KILLED_AFTER_COMMIT,
        Fault::KILLED_WHILE_GUARDED,
        Fault::DEPLOYED,
        Fault::new("the primary killed, a replica promoted", kill_primary),
        Fault::new("the primary stopped for 300 ms", |ground| {
            let primary = ground.stage.primary();
            stop_for(&ground.stage.servers[primary], 300);
        }),
        Fault::silent("the primary stopped, a replica promoted", |ground| {
            stop_primary_for(ground, Duration::ZERO);
        }),
        Fault::silent("the primary stopped for 1 s", |ground| {
            let primary = ground.stage.primary();
            stop_for(&ground.stage.servers[primary], 1_000);
            ground.stage.settle();
        }),
        Fault::silent(
            "the primary stopped for 30 s, a replica promoted",
            |ground| {
                stop_primary_for(ground, Duration::from_secs(30));
            },
        )
        .long(),
        Fault::new(
            "the primary killed and restarted before an election",
            restart,
        ),
        Fault::new("replicas without the last events, one promoted", promote),
        Fault::new("a failover by hand", fail_over),
        Fault::new("a sentinel killed", |ground| {
            ground.stage.sentinels[0].kill();
            sleep(ground.bound);
            ground.stage.sentinels[0].start_again();
        }),
        Fault::SLEEPING,
        Fault::KILLED_NORMAL,
        Fault::KILLED_PUBSUB,
        Fault::STOPPED,
        Fault::THROWN_OUT,
        Fault::SLOW,
        Fault::FLUSHED,
        Fault::FLUSHED_DATABASE,
        Fault::FLUSHED_SCRIPTS,
        Fault::FULL,
        Fault::EVICTING,
        Fault::EVICTING_TAGS,
        Fault::DISK_FULL,
        Fault::AHEAD,
        Fault::BEHIND,
    ];

    fn start() -> Result<Self, String> {
        Ok(with_own_clocks(Self::start))
    }

    fn primaries(&self) -> Vec<&Server> {
        vec![&self.servers[self.primary()]]
    }

    fn settle(&self) {
        let port = |server: &Server| format!("master_port:{}\r", server.announced());
        self.wait_for("a primary that all others follow", || {
            let primary = self.primary();
            let primary_is_at = port(&self.servers[primary]);
            let mut servers = self.servers.iter().enumerate();
            servers.all(|(place, server)| {
                let info = replication(server);
                if place == primary {
                    info.contains("role:master")
                } else {
                    info.contains("master_link_status:up") && info.contains(&primary_is_at)
                }
            })
        });
    }

    fn url(&self, _member: usize) -> String {
        Self::url(self)
    }
}

fn stop_for(server: &Server, milliseconds: u64) {
    server.pause();
    sleep(Duration::from_millis(milliseconds));
    server.resume();
}

/// Sees from when on another server takes writes in place of a primary.
fn watch(ground: &Ground<Watched>, former: usize) -> Watch {
    let servers = ground.stage.servers.iter().enumerate();
    let others = servers.filter(|(place, _)| *place != former);
    let candidates = others.map(|(_, server)| server.asker()).collect();
    let formerly_at = ground.stage.servers[former].announced().to_string();
    let sentinels = &ground.stage.sentinels;
    let witnesses = Witnesses {
        askers: sentinels.iter().map(Server::asker).collect(),
        question: &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE],
        names_it: Box::new(move |answer| {
            let port = answer.lines().nth(1);
            port.is_some_and(|port| port != formerly_at)
        }),
        enough: sentinels.len() / 2 + 1,
    };
    Watch::begin(candidates, "watched".to_owned(), witnesses)
}

fn fail_over(ground: &mut Ground<Watched>) {
    let watch = watch(ground, ground.stage.primary());
    ground.stage.fail_over();
    ground.promoted = watch.end();
}

fn kill_primary(ground: &mut Ground<Watched>) {
    let former = ground.stage.primary();
    let watch = watch(ground, former);
    ground.stage.servers[former].kill();
    let _next = ground.stage.wait_for_another_than(former);
    sleep(ground.bound);
    ground.promoted = watch.end();
    // It is empty, and can be written to until a sentinel has told it.
    ground.stage.servers[former].start_again();
    follow_again(ground, former);
}

/// So shortly that nobody is elected: the same server is the primary, and empty.
fn restart(ground: &mut Ground<Watched>) {
    for _ in 0..3 {
        let primary = ground.stage.primary();
        let server = &mut ground.stage.servers[primary];
        server.kill();
        sleep(Duration::from_millis(100));
        server.start_again();
        // It was a replica when it was started for the first time, perhaps.
        server.lead();
        sleep(ground.bound);
    }
    ground.stage.settle();
}

/// Replicas that stand still follow nobody, and what the primary acknowledges meanwhile is lost with it.
fn promote(ground: &mut Ground<Watched>) {
    let former = ground.stage.primary();
    let watch = watch(ground, former);
    let replicas: Vec<_> = (0..ground.stage.servers.len())
        .filter(|place| *place != former)
        .collect();
    for &replica in &replicas {
        ground.stage.servers[replica].pause();
    }
    lose_events(&ground.stage.servers[former], ground.bound / 4);
    ground.stage.servers[former].kill();
    for &replica in &replicas {
        ground.stage.servers[replica].resume();
    }
    let _next = ground.stage.wait_for_another_than(former);
    sleep(ground.bound);
    ground.promoted = watch.end();
    ground.stage.servers[former].start_again();
    follow_again(ground, former);
}

/// Until another one is the primary, and at least for so long.
fn stop_primary_for(ground: &mut Ground<Watched>, time: Duration) {
    let begin = Instant::now();
    let former = ground.stage.primary();
    let watch = watch(ground, former);
    ground.stage.servers[former].pause();
    let _next = ground.stage.wait_for_another_than(former);
    sleep(ground.bound);
    ground.promoted = watch.end();
    sleep(time.saturating_sub(begin.elapsed()));
    ground.stage.servers[former].resume();
    follow_again(ground, former);
}

fn follow_again(ground: &Ground<Watched>, former: usize) {
    ground
        .stage
        .wait_for("the former primary as a replica", || {
            replication(&ground.stage.servers[former]).contains("master_link_status:up")
        });
}

/// What a server says of itself; nothing where it says nothing.
fn replication(server: &Server) -> String {
    server.ask(&["INFO", "replication"]).unwrap_or_default()
}

//! A primary and two replicas, which three sentinels watch.

use std::{thread::sleep, time::Duration};

use super::Fault;
use crate::{
    sentinels::Watched,
    server::Server,
    soak::{
        ground::{Ground, Stage},
        service::Watch,
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
        Fault::silent("the primary stopped, a replica promoted", stop_primary),
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
        Fault::FLUSHED,
        Fault::FLUSHED_DATABASE,
        Fault::FLUSHED_SCRIPTS,
        Fault::FULL,
        Fault::EVICTING,
        Fault::DISK_FULL,
    ];

    fn start() -> Result<Self, String> {
        Ok(Self::start())
    }

    fn primaries(&self) -> Vec<&Server> {
        vec![&self.servers[self.primary()]]
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
    Watch::begin(candidates, "watched".to_owned())
}

fn fail_over(ground: &mut Ground<Watched>) {
    let watch = watch(ground, ground.stage.primary());
    ground.stage.fail_over();
    ground.takes_writes = watch.end();
}

fn kill_primary(ground: &mut Ground<Watched>) {
    let former = ground.stage.primary();
    let watch = watch(ground, former);
    ground.stage.servers[former].kill();
    let _next = ground.stage.wait_for_another_than(former);
    sleep(ground.bound);
    ground.takes_writes = watch.end();
    // It is empty, and can be written to until a sentinel has told it.
    ground.stage.servers[former].start_again();
    follow_again(ground, former);
}

fn stop_primary(ground: &mut Ground<Watched>) {
    let former = ground.stage.primary();
    let watch = watch(ground, former);
    ground.stage.servers[former].pause();
    let _next = ground.stage.wait_for_another_than(former);
    sleep(ground.bound);
    ground.takes_writes = watch.end();
    ground.stage.servers[former].resume();
    follow_again(ground, former);
}

fn follow_again(ground: &Ground<Watched>, former: usize) {
    ground
        .stage
        .wait_for("the former primary as a replica", || {
            let info = ground.stage.servers[former].command(&["INFO", "replication"]);
            info.contains("master_link_status:up")
        });
}

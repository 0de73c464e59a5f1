//! Three primaries with a replica each.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::{Fault, fill_up, kill_clients, limit_memory, repeat};
use crate::{
    SOON,
    clusters::Cluster,
    server::Server,
    soak::ground::{Ground, Stage, number},
};

/// What is written most.
const EVENT: &str = "ItemChanged";

impl Stage for Cluster {
    const FAULTS: &'static [Fault<Self>] = &[
        Fault::NONE,
        Fault::KILLED_AFTER_COMMIT,
        Fault::KILLED_WHILE_GUARDED,
        Fault::DEPLOYED,
        Fault::new("a primary killed, its replica promoted", kill_primary),
        Fault::new("a primary stopped for 1 s", |ground| {
            stop_primary(ground, 1);
        }),
        Fault::silent(
            "a primary stopped for 5 s, its replica promoted",
            |ground| {
                stop_primary(ground, 5);
            },
        ),
        Fault::new("a replica without the last events promoted", promote),
        Fault::new("a failover by hand", fail_over),
        Fault::new("slots moved", move_slots),
        Fault::silent("all nodes killed and restarted", restart_all),
        Fault::new("`CLIENT KILL TYPE normal`", |ground| {
            kill_clients(&ground.stage.primaries(), "normal", ground.bound);
        }),
        Fault::new("`CLIENT KILL TYPE pubsub`", |ground| {
            kill_clients(&ground.stage.primaries(), "pubsub", ground.bound);
        }),
        Fault::STOPPED,
        Fault::new("`FLUSHALL`", |ground| {
            repeat(&ground.stage.primaries(), &["FLUSHALL"], ground.bound);
        }),
        Fault::new("`SCRIPT FLUSH`", |ground| {
            repeat(
                &ground.stage.primaries(),
                &["SCRIPT", "FLUSH"],
                ground.bound,
            );
        }),
        Fault::new("a primary full", |ground| {
            let (primary, _) = owner(ground);
            fill_up(&ground.stage.nodes[primary], 2 * ground.bound);
        }),
        Fault::new("a primary evicts", evict),
    ];

    fn start() -> Result<Self, String> {
        Ok(Self::start())
    }

    fn url(&self, _member: usize) -> String {
        Self::url(self)
    }
}

fn owner(ground: &Ground<Cluster>) -> (usize, u16) {
    let slot = ground.stage.slot_of_tags(EVENT);
    (ground.stage.owner_of(slot), slot)
}

fn kill_primary(ground: &mut Ground<Cluster>) {
    let (former, slot) = owner(ground);
    ground.stage.nodes[former].kill();
    let _next = ground.stage.wait_for_successor(former, slot);
    sleep(ground.bound);
    ground.stage.nodes[former].start_again();
    ground.stage.is_whole();
}

fn stop_primary(ground: &mut Ground<Cluster>, seconds: u64) {
    let (former, _) = owner(ground);
    ground.stage.nodes[former].pause();
    sleep(Duration::from_secs(seconds));
    // One that was replaced meanwhile takes itself for the primary until the others have told it.
    ground.stage.nodes[former].resume();
    ground.stage.is_whole();
}

/// A replica that stands still does not follow, and what its primary acknowledges meanwhile is lost with that.
fn promote(ground: &mut Ground<Cluster>) {
    let (former, slot) = owner(ground);
    let replica = ground.stage.replica_of(former);
    let offset = |server: &Server| {
        let info = server.command(&["INFO", "replication"]);
        number(&info, "master_repl_offset")
    };
    let before = offset(&ground.stage.nodes[replica]);
    ground.stage.nodes[replica].pause();
    sleep(ground.bound / 4);
    let lost = offset(&ground.stage.nodes[former]) - before;
    assert!(lost > 0, "something is lost");
    ground.stage.nodes[former].kill();
    ground.stage.nodes[replica].resume();
    let _next = ground.stage.wait_for_successor(former, slot);
    sleep(ground.bound);
    ground.stage.nodes[former].start_again();
    ground.stage.is_whole();
}

fn fail_over(ground: &mut Ground<Cluster>) {
    let (former, slot) = owner(ground);
    let replica = ground.stage.replica_of(former);
    ground.stage.nodes[replica].command(&["CLUSTER", "FAILOVER"]);
    let _next = ground.stage.wait_for_successor(former, slot);
    ground.stage.is_whole();
}

fn move_slots(ground: &mut Ground<Cluster>) {
    for event in [EVENT, "RatesChanged", EVENT] {
        let slot = ground.stage.slot_of_tags(event);
        let owner = ground.stage.owner_of(slot);
        let primaries = ground.stage.places_of_primaries();
        let next = primaries.iter().position(|place| *place == owner);
        let next = next.map_or(0, |place| (place + 1) % primaries.len());
        ground.stage.move_slot(slot, primaries[next]);
        sleep(ground.bound / 3);
    }
    ground.stage.is_whole();
}

/// With all that they had in memory.
fn restart_all(ground: &mut Ground<Cluster>) {
    let primaries = ground.stage.places_of_primaries();
    for place in 0..ground.stage.nodes.len() {
        ground.stage.nodes[place].kill();
    }
    sleep(ground.bound / 2);
    for place in 0..ground.stage.nodes.len() {
        ground.stage.nodes[place].start_again();
    }
    assert!(!primaries.is_empty());
    ground.stage.is_whole();
}

fn evict(ground: &mut Ground<Cluster>) {
    const POLICY: &str = "maxmemory-policy";
    let (place, _) = owner(ground);
    let server = &ground.stage.nodes[place];
    let info = |name| number(&server.command(&["INFO", "everything"]), name);
    let policy = |policy: &str| server.command(&["CONFIG", "SET", POLICY, policy]);
    policy("allkeys-random");
    let (before, begin) = (info("evicted_keys"), Instant::now());
    while info("evicted_keys") == before || begin.elapsed() < 2 * ground.bound {
        assert!(begin.elapsed() < SOON, "it evicts");
        limit_memory(server, info("used_memory").saturating_sub(16 << 10));
        sleep(ground.bound / 10);
    }
    limit_memory(server, 0);
    policy("noeviction");
}

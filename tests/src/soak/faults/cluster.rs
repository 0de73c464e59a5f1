//! Three primaries with a replica each.

use std::{thread::sleep, time::Duration};

use super::{Fault, anywhere::lose_events};
use crate::{
    clusters::Cluster,
    server::{Server, with_own_clocks},
    soak::{
        ground::{Ground, Stage},
        service::{Watch, Witnesses},
    },
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
        Fault::silent(
            "a primary stopped for 30 s, its replica promoted",
            |ground| {
                stop_primary(ground, 30);
            },
        )
        .long(),
        Fault::new("a replica without the last events promoted", promote),
        Fault::new("a failover by hand", fail_over),
        Fault::new("slots moved", move_slots),
        Fault::silent("all nodes killed and restarted", restart_all),
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
        Self::primaries(self)
    }

    fn settle(&self) {
        self.is_whole();
    }

    fn url(&self, _member: usize) -> String {
        Self::url(self)
    }
}

fn owner(ground: &Ground<Cluster>) -> (usize, u16) {
    let slot = ground.stage.slot_of_tags(EVENT);
    (ground.stage.owner_of(slot), slot)
}

/// Sees from when on the replica of a primary takes writes in its place.
fn watch(ground: &Ground<Cluster>, former: usize) -> Watch {
    let replica = ground.stage.replica_of(former);
    let tag = ground.stage.tag_of(EVENT);
    // In the slot of the tags, and none of them.
    let slot = tag.split(['{', '}']).nth(1).expect("it says which");
    let next = &ground.stage.nodes[replica];
    let others = ground.stage.primaries().into_iter();
    let others = others.filter(|node| node.port() != ground.stage.nodes[former].port());
    let address = format!(":{}@", next.announced());
    let witnesses = Witnesses {
        askers: others.map(Server::asker).collect(),
        question: &["CLUSTER", "NODES"],
        names_it: Box::new(move |answer| {
            let mut lines = answer.lines().filter(|line| line.contains(&address));
            // One without slots was only not known as a replica yet.
            lines.any(|line| line.contains(" master ") && line.split(' ').count() > 8)
        }),
        enough: 1,
    };
    Watch::begin(vec![next.asker()], format!("watched:{{{slot}}}"), witnesses)
}

fn kill_primary(ground: &mut Ground<Cluster>) {
    let (former, slot) = owner(ground);
    let watch = watch(ground, former);
    ground.stage.nodes[former].kill();
    let _next = ground.stage.wait_for_successor(former, slot);
    sleep(ground.bound);
    ground.promoted = watch.end();
    ground.stage.nodes[former].start_again();
    ground.stage.is_whole();
}

fn stop_primary(ground: &mut Ground<Cluster>, seconds: u64) {
    let (former, _) = owner(ground);
    let watch = watch(ground, former);
    ground.stage.nodes[former].pause();
    sleep(Duration::from_secs(seconds));
    ground.promoted = watch.end();
    // One that was replaced meanwhile takes itself for the primary until the others have told it.
    ground.stage.nodes[former].resume();
    ground.stage.is_whole();
}

/// A replica that stands still does not follow, and what its primary acknowledges meanwhile is lost with that.
fn promote(ground: &mut Ground<Cluster>) {
    let (former, slot) = owner(ground);
    let replica = ground.stage.replica_of(former);
    let watch = watch(ground, former);
    ground.stage.nodes[replica].pause();
    lose_events(&ground.stage.nodes[former], ground.bound / 4);
    ground.stage.nodes[former].kill();
    ground.stage.nodes[replica].resume();
    let _next = ground.stage.wait_for_successor(former, slot);
    sleep(ground.bound);
    ground.promoted = watch.end();
    ground.stage.nodes[former].start_again();
    ground.stage.is_whole();
}

fn fail_over(ground: &mut Ground<Cluster>) {
    let (former, slot) = owner(ground);
    let replica = ground.stage.replica_of(former);
    let watch = watch(ground, former);
    ground.stage.nodes[replica].command(&["CLUSTER", "FAILOVER"]);
    let _next = ground.stage.wait_for_successor(former, slot);
    sleep(ground.bound / 2);
    ground.promoted = watch.end();
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

//! Processes that share entries through a real Redis are served nothing that misses an event for longer than the
//! bound, while that Redis and the lines to it fail. The short form of `cargo xtask soak`.
#![cfg(unix)]

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tests::{
    server,
    soak::{self, Faults, Plan, Topology, Way},
};

#[test]
fn no_process_serves_what_misses_an_event_for_longer_than_the_bound() {
    nothing_is_wrong(Topology::Server, Faults::Short);
}

#[test]
fn nor_does_one_where_sentinels_promote_a_replica() {
    let failover = "the primary killed, a replica promoted";
    nothing_is_wrong(Topology::Sentinel, Faults::Named(failover.to_owned()));
}

#[test]
fn nor_does_one_where_a_cluster_promotes_a_replica() {
    if !server::forms_clusters() {
        return;
    }
    let failover = "a primary killed, its replica promoted";
    nothing_is_wrong(Topology::Cluster, Faults::Named(failover.to_owned()));
}

fn nothing_is_wrong(on: Topology, faults: Faults) {
    // One after the other: each keeps two cores busy.
    static IS_ALONE: Mutex<()> = Mutex::new(());
    let _alone = IS_ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let plan = Plan {
        program: env!("CARGO_BIN_EXE_soak").into(),
        on,
        bound: Duration::from_millis(500),
        time: Duration::ZERO,
        by: Way::Near,
        faults,
    };
    let table = soak::run(&plan).expect("there can be such servers");
    println!("{table}");
    // One fault can show in thousands.
    let wrong: Vec<_> = table.violations().take(20).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(table.idle().next(), None, "there was something to see");
}

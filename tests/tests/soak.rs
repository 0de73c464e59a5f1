//! Processes that share entries through a real Redis are served nothing that misses an event for longer than the
//! bound, while that Redis and the lines to it fail. The short form of `cargo xtask soak`.
#![cfg(unix)]

use std::time::Duration;

use tests::soak::{self, Faults, Plan, Topology};

#[test]
fn no_process_serves_what_misses_an_event_for_longer_than_the_bound() {
    let plan = Plan {
        program: env!("CARGO_BIN_EXE_soak").into(),
        on: Topology::Server,
        bound: Duration::from_millis(500),
        time: Duration::ZERO,
        is_lossy: false,
        faults: Faults::Short,
    };
    let table = soak::run(&plan).expect("a server can be started");
    println!("{table}");
    // One fault can show in thousands.
    let wrong: Vec<_> = table.violations().take(20).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(table.idle().next(), None, "there was something to see");
}

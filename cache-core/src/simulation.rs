//! Whole caches against a simulated network and server, from a seed: what is run is the code that users run, on a clock
//! that is not the system's.
//!
//! A seed makes a [plan](plan), a [world](world) runs it, and a [checker](checker) judges every value that is served
//! by what the source had, and by who could know of that.
//!
//! One seed again: `cargo xtask sim --seed 7`, with `--mutant b7` under a broken rule. Of a cluster, with its kind as well:
//! `--kind 100`.

mod asking;
mod checker;
mod cluster;
mod faults;
mod functions;
mod history;
mod network;
mod plan;
mod process;
mod random;
mod server;
mod store;
mod suite;
mod world;

//! The servers as a cluster: what each of them knows of slots, how they hear of each other, how slots are moved, and the
//! store of a process, which is that of production on connections of the simulator.

pub(super) mod faults;
mod gate;
pub(super) mod gossip;
pub(super) mod ground;
mod member;
pub(super) mod moves;
pub(super) mod node;
pub(super) mod whole;

/// Primaries of a cluster.
pub(super) const SHARDS: usize = 3;

//! The protocol in the small, exhaustively: one key, two tags, two processes with two flights each, two servers, and
//! all orders in which their steps can happen. Breadth first, so that what is found is as short as it can be.
//!
//! Every decision is the [rule](super::rules) that runs in production; what is modelled is when it is asked, and
//! on what. Values are counts of writes, so that what one misses can be seen from it. Claims are those of the
//! protocol: I1 to I5, I7 to I9 and I12.

mod bumps;
mod changes;
mod claims;
mod explore;
mod hearing;
mod loads;
mod moves;
mod reads;
mod scenarios;
mod tests;
mod world;

use std::time::Duration;

use self::world::{Budget, Each, Tags};

/// Until when what was proven is believed, and how long an outage is doubted: in ticks, which are nanoseconds.
const BOUND: Duration = Duration::from_nanos(2);
const DRAIN: Duration = Duration::from_nanos(2);

/// What happens in a run of the model.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    name: &'static str,
    tags: usize,
    events: usize,
    /// Which tags of the entry an event bumps.
    bumps: Each<Tags>,
    /// Which processes write.
    writers: u8,
    /// Which processes call, and hear what is published.
    readers: u8,
    /// Calls can be interrupted while they capture, and before they join.
    splits_calls: bool,
    left: Budget,
    /// A run that finds more states than this has outgrown its test.
    most_states: usize,
}

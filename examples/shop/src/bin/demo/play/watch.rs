//! Looks at all replicas ten times a second: how much the database had to do, and who has told Redis what it had to tell.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::side::Side;

const EVERY: Duration = Duration::from_millis(100);

/// Ends with this value.
#[derive(Debug)]
pub(super) struct Watch {
    _tasks: JoinSet<()>,
}

impl Watch {
    pub(super) fn over(sides: [Arc<Side>; 2]) -> Self {
        let mut tasks = JoinSet::new();
        for side in sides {
            tasks.spawn(async move {
                let mut ticks = interval(EVERY);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    ticks.tick().await;
                    // A replica that does not answer is seen by its customers.
                    side.look().await;
                }
            });
        }
        Self { _tasks: tasks }
    }
}

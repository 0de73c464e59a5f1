//! Finds callers that stopped polling a load others wait for: a future left behind in a `select!`.
//!
//! One thread for the process, asleep while no call waits for an inline load, so that it depends on
//! no runtime: the runtime may be just what is stuck.

use std::{
    sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak},
    thread,
    time::Duration,
};

use super::Flight;
use crate::clock::system_now;

/// How often waiting flights are looked at.
const TICK: Duration = Duration::from_millis(25);

static WATCHED: Mutex<Vec<Weak<Flight>>> = Mutex::new(Vec::new());
static ARRIVED: Condvar = Condvar::new();

/// Looks after a flight until nobody waits for it.
pub(super) fn watch(flight: &Arc<Flight>) {
    static THREAD: OnceLock<()> = OnceLock::new();
    WATCHED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Arc::downgrade(flight));
    ARRIVED.notify_one();
    THREAD.get_or_init(|| {
        let started = thread::Builder::new().name("cached-watchdog".into()).spawn(run);
        if let Err(error) = started {
            tracing::warn!(%error, "no thread for the watchdog: a caller that stops polling a load stalls its waiters");
        }
    });
}

fn run() {
    loop {
        let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        while watched.is_empty() {
            watched = ARRIVED
                .wait(watched)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(watched);
        thread::sleep(TICK);
        let mut flights =
            std::mem::take(&mut *WATCHED.lock().unwrap_or_else(PoisonError::into_inner));
        flights.retain(|flight| {
            flight
                .upgrade()
                .is_some_and(|flight| flight.check(system_now()))
        });
        WATCHED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .append(&mut flights);
    }
}

//! Which load waits for which: a call that would close a circle is not made to wait.
//!
//! Only calls inside loads are recorded, so ordinary misses never come here.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Load;

/// Edges from a waiting flight to the flight it waits for, over all caches of the process.
static WAITS: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());

fn waits() -> MutexGuard<'static, Vec<(u64, u64)>> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One recorded wait, while it lasts.
#[derive(Debug)]
pub(crate) struct Wait(u64, u64);

/// Records that a call inside `load` waits for `flight`; nothing where `load`, or a load that waits for
/// it, is what that flight waits for already.
pub(crate) fn wait(load: &Load, flight: u64) -> Option<Wait> {
    let mut waits = waits();
    let mut reached = vec![flight];
    let mut next = 0;
    while let Some(&at) = reached.get(next) {
        if load.chain().any(|outer| outer.flight.id == at) {
            return None;
        }
        for &(from, to) in waits.iter() {
            if from == at && !reached.contains(&to) {
                reached.push(to);
            }
        }
        next += 1;
    }
    waits.push((load.flight.id, flight));
    Some(Wait(load.flight.id, flight))
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waits = waits();
        if let Some(at) = waits.iter().position(|&wait| wait == (self.0, self.1)) {
            waits.swap_remove(at);
        }
    }
}

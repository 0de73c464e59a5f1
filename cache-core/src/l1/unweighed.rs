//! Bounds by number the entries whose weight nobody knows, so that a few large values that look small
//! cannot fill the machine.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use crate::{key::Key, lock::Mutex, stats::Counters};

/// The unweighed entries of every function, oldest first.
#[derive(Debug)]
pub(super) struct Unweighed {
    limit: usize,
    /// By the address of the function's counters, which its cache keeps. A list: few functions have such values.
    functions: Mutex<Vec<(usize, VecDeque<UnweighedEntry>)>>,
}

/// An entry's key, and the address of its node: a later entry of the key has another one.
pub(super) type UnweighedEntry = (Key, usize);

/// Places of entries that left by themselves, beyond as many as there are entries.
const SLACK: usize = 64;

impl Unweighed {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            functions: Mutex::default(),
        }
    }

    /// Takes a new entry in and gives those that have to leave for it.
    pub(super) fn admit(
        &self,
        counters: &Arc<Counters>,
        place: UnweighedEntry,
        is_there: &dyn Fn(&UnweighedEntry) -> bool,
    ) -> Vec<UnweighedEntry> {
        let mut functions = self.functions.lock();
        let function = Arc::as_ptr(counters).addr();
        let known = functions.iter().position(|(known, _)| *known == function);
        let at = known.unwrap_or_else(|| {
            functions.push((function, VecDeque::new()));
            functions.len() - 1
        });
        let queue = &mut functions[at].1;
        queue.push_back(place);
        let entries = usize::try_from(counters.unweighed.load(Relaxed)).unwrap_or(usize::MAX);
        if queue.len() > entries.saturating_mul(2).saturating_add(SLACK) {
            queue.retain(is_there);
        }
        let mut leaving = Vec::new();
        while entries.saturating_sub(leaving.len()) > self.limit
            && let Some(oldest) = queue.pop_front()
        {
            if is_there(&oldest) {
                leaving.push(oldest);
            }
        }
        leaving
    }
}

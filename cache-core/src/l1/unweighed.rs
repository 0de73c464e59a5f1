//! Bounds by number the entries whose weight nobody knows, so that a few large values that look small
//! cannot fill the machine.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak, atomic::Ordering::Relaxed},
};

use super::Stored;
use crate::{key::Key, stats::Counters};

/// The unweighed entries of every function, oldest first.
#[derive(Debug)]
pub(super) struct Unweighed {
    limit: usize,
    /// By the address of the function's counters, which the entries keep alive.
    functions: Mutex<HashMap<usize, Queue>>,
}

type Queue = VecDeque<(Key, Weak<dyn Stored>)>;

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
        key: &Key,
        node: &Arc<dyn Stored>,
    ) -> Vec<(Key, Arc<dyn Stored>)> {
        let mut functions = self
            .functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let queue = functions.entry(Arc::as_ptr(counters).addr()).or_default();
        queue.push_back((key.clone(), Arc::downgrade(node)));
        // Entries that were replaced or evicted stay in the queue until it is twice as long as needed.
        if queue.len() > self.limit.saturating_mul(2) {
            queue.retain(|(_, node)| node.strong_count() > 0);
        }
        let mut leaving = Vec::new();
        let mut surplus = usize::try_from(counters.entries.load(Relaxed))
            .unwrap_or(usize::MAX)
            .saturating_sub(self.limit);
        while surplus > 0
            && let Some((key, node)) = queue.pop_front()
        {
            if let Some(node) = node.upgrade() {
                leaving.push((key, node));
                surplus -= 1;
            }
        }
        leaving
    }
}

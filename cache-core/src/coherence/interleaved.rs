//! A hit beside what another thread hears, in all orders in which it may see what that wrote: `cargo xtask interleavings`.
//!
//! A rule that is broken shows that a wrong order is found.

use std::{sync::Arc, time::Duration};

use loom::thread;

use super::{
    beat::Beat,
    cell::{Captured, Cell, Registry},
    emitted::UNKNOWN,
    guard::{Guard, Snapshot},
    mutant::{self, Mutant},
};
use crate::{clock::Nanos, event::Tag};

const BOUND: Nanos = 10;
/// Within the lease of what was proven at first.
const EARLY: Nanos = 5;
/// Behind it, and within that of the new fence.
const LATE: Nanos = 15;
const FENCE: Nanos = 12;

/// A process with an entry that depends on some tags, and was proven at 1.
struct Process {
    beat: Arc<Beat>,
    registry: Arc<Registry>,
    cells: Vec<Arc<Cell>>,
    guard: Arc<Guard>,
}

impl Process {
    fn with(tags: &[&str]) -> Self {
        let beat = Arc::new(Beat::new(Duration::from_nanos(BOUND)));
        let registry = Registry::new("shop", Arc::clone(&beat));
        let cells: Vec<_> = tags
            .iter()
            .map(|tag| registry.get_or_create(&Tag::from_name(tag)))
            .collect();
        let captured = Captured::now(cells.iter().cloned());
        let snapshot = Snapshot::new((0, 1, 0), None, captured);
        let guard = Arc::new(Guard::new(Arc::clone(&beat), snapshot, (1, false), None));
        Self {
            beat,
            registry,
            cells,
            guard,
        }
    }

    /// An event about the first tag is heard, and then that all was.
    fn hears(&self) {
        self.registry.invalidate([&*self.cells[0]], |_| UNKNOWN);
        self.beat.advance(FENCE);
    }
}

/// Whether a hit is wrong in any order of `other` and itself.
fn hit_beside(tags: &'static [&str], broken: Option<Mutant>, other: fn(&Process)) {
    loom::model(move || {
        mutant::with(broken, || {
            let process = Arc::new(Process::with(tags));
            let heard = Arc::clone(&process);
            let hearing = thread::spawn(move || other(&heard));
            // Only by the new fence, and whoever sees that sees what was heard before.
            assert!(!process.guard.is_usable(LATE));
            hearing.join().expect("it does not panic");
            assert!(!process.guard.is_usable(EARLY));
        });
    });
}

#[test]
fn who_sees_a_fence_sees_what_was_heard_before() {
    hit_beside(&["E:1"], None, Process::hears);
    hit_beside(&["E:2", "E:1"], None, |process| {
        process
            .registry
            .invalidate([&*process.cells[1]], |_| UNKNOWN);
        process.beat.advance(FENCE);
    });
}

#[test]
#[should_panic(expected = "is_usable")]
fn a_fence_that_is_looked_at_last_is_found() {
    hit_beside(&["E:1"], Some(Mutant::B12), Process::hears);
}

#[test]
fn who_sees_the_fence_of_a_new_connection_sees_the_gap_before_it() {
    hit_beside(&["E:1"], None, |process| {
        process.beat.tear();
        process.beat.advance(FENCE);
    });
}

/// Two hits, each of which notes that nothing has changed, beside an event.
fn hits_beside_an_event(broken: Option<Mutant>) {
    let mut model = loom::model::Builder::new();
    // Of three threads all orders are very many.
    model.preemption_bound = Some(3);
    model.check(move || {
        mutant::with(broken, || {
            let process = Arc::new(Process::with(&["E:1"]));
            // What they have noted before is of another number of changes.
            process.beat.count_change();
            let others: Vec<_> = [Process::hears, |process: &Process| {
                process.guard.is_usable(EARLY);
            }]
            .map(|other| {
                let process = Arc::clone(&process);
                thread::spawn(move || other(&process))
            })
            .into();
            process.guard.is_usable(EARLY);
            for other in others {
                other.join().expect("it does not panic");
            }
            assert!(!process.guard.is_usable(EARLY));
        });
    });
}

#[test]
fn no_hit_notes_that_nothing_has_changed_where_something_has() {
    hits_beside_an_event(None);
}

#[test]
#[should_panic(expected = "is_usable")]
fn a_count_of_changes_that_is_looked_at_last_is_found() {
    hits_beside_an_event(Some(Mutant::B21));
}

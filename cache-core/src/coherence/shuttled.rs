//! What is captured, and what is believed of it, in many orders of threads.

use std::sync::Arc;

use super::{
    Bounds, Coherence,
    beat::Beat,
    cell::{Captured, Registry},
    emitted::UNKNOWN,
    guard::{Guard, Snapshot},
    mutant::Mutant,
};
use crate::{
    event::Tag,
    shuttled::{in_orders, is_noticed, threads},
};

fn tags() -> [Tag; 3] {
    ["E:1", "E:2", "F:1"].map(Tag::from_name)
}

/// Captures of one tag of an event that is applied meanwhile: who knows of that finds next that the other tags do.
fn captures_beside_an_event() {
    let (coherence, tags) = (Coherence::new("shop", Bounds::default(), None), tags());
    let alive = coherence.capture(&tags, 1);
    threads(3, move |number| {
        if number == 0 {
            return coherence.invalidate(&tags, || None, 1);
        }
        let captured = coherence.capture(&tags[..1], 1);
        let knows = captured.cells().all(|cell| cell.generation() == 1);
        if knows && coherence.is_current(&captured) {
            let others: Vec<_> = alive.cells().map(|cell| cell.generation()).collect();
            assert_eq!(others, [1; 3], "the whole event");
        }
    });
}

#[test]
fn what_is_captured_beside_an_event_is_whole_or_said_to_be_torn() {
    in_orders(captures_beside_an_event);
}

#[test]
fn a_capture_that_is_torn_unseen_is_noticed() {
    is_noticed(Mutant::S5, "the whole event", captures_beside_an_event);
}

/// Cells of one tag, made and dropped.
fn cells_come_and_go() {
    let registry = Registry::alone("shop");
    let shared = Arc::clone(&registry);
    threads(3, move |_| {
        let tag = Tag::from_name("E:1");
        for _ in 0..2 {
            let (one, other) = (shared.get_or_create(&tag), shared.get_or_create(&tag));
            assert!(Arc::ptr_eq(&one, &other), "one cell");
        }
    });
    assert_eq!(registry.len(), 0);
}

#[test]
fn a_tag_has_one_cell_while_somebody_holds_it() {
    in_orders(cells_come_and_go);
}

#[test]
fn a_cell_that_takes_another_one_along_is_noticed() {
    is_noticed(Mutant::S6, "one cell", cells_come_and_go);
}

/// Hits, each of which notes that nothing has changed, beside an event of several tags.
fn hits_beside_an_event() {
    let beat = Arc::new(Beat::alone());
    let registry = Registry::new("shop", Arc::clone(&beat));
    let cells: Vec<_> = tags()
        .iter()
        .map(|tag| registry.get_or_create(tag))
        .collect();
    let snapshot = Snapshot::new((0, 1, 0), None, Captured::now(cells.iter().cloned()));
    let guard = Arc::new(Guard::new(beat, snapshot, (1, false), None));
    let hit = Arc::clone(&guard);
    threads(3, move |number| {
        if number == 0 {
            registry.invalidate(cells.iter().map(|cell| &**cell), |_| UNKNOWN);
            assert!(!hit.is_usable(2), "behind the event");
        } else {
            hit.is_usable(2);
        }
    });
    assert!(!guard.is_usable(2), "behind the event");
}

#[test]
fn no_hit_notes_that_nothing_has_changed_beside_an_event_of_several_tags() {
    in_orders(hits_beside_an_event);
}

#[test]
fn a_count_of_changes_that_is_looked_at_last_is_noticed() {
    is_noticed(Mutant::B21, "behind the event", hits_beside_an_event);
}

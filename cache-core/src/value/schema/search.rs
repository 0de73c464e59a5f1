//! Runs a type's `Deserialize` until it shows nothing new, and finds the placeholders that it takes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::DeserializeOwned;

use super::{
    record::{Node, Position},
    tracer::{Choice, Failure, Tracer},
};

/// How many of the places read last can be to blame for what a value refuses.
const LAST: usize = 8;

pub(super) fn search<T: DeserializeOwned>(tracer: &mut Tracer) {
    let mut is_stuck = false;
    loop {
        tracer.record.has_grown = false;
        let failure = run::<T>(tracer);
        if tracer.is_spent() {
            let path = tracer.path(&[]);
            note_incomplete(tracer, format!("{path}: it takes too many steps to trace"));
            return;
        }
        let is_finished = !tracer.record.unfinished()[0];
        if failure.is_none() && is_finished {
            return;
        }
        if tracer.record.has_grown {
            // Another run shows more, or fails again.
            is_stuck = false;
            continue;
        }
        if failure.is_none() && !is_stuck {
            is_stuck = true;
            tracer.is_patient = !tracer.is_patient;
            continue;
        }
        // What the type did not mind may be what keeps the rest from being read.
        let failure = failure.or_else(|| tracer.run.swallowed.take());
        let failure = failure
            .unwrap_or_else(|| Failure::final_at(Vec::new(), "not all of it can be reached"));
        if !find_placeholders::<T>(tracer, &failure) && !avoid(tracer, &failure) {
            return;
        }
    }
}

fn run<T: DeserializeOwned>(tracer: &mut Tracer) -> Option<Failure> {
    tracer.begin();
    let result = catch_unwind(AssertUnwindSafe(|| {
        // What was read is dropped in here, too: that is the type's own code as well.
        tracer.within(Position::ROOT, false, |place| {
            T::deserialize(place).map(drop)
        })
    }));
    match result {
        Ok(Ok(())) => {
            tracer.record.explore(0, 0);
            None
        }
        Ok(Err(refused)) => {
            let failure = tracer.run.failure.take();
            Some(failure.unwrap_or_else(|| Failure::final_at(Vec::new(), &refused.to_string())))
        }
        Err(_) => {
            let stack = std::mem::take(&mut tracer.run.stack);
            Some(Failure::final_at(stack, "its `Deserialize` panicked"))
        }
    }
}

/// Tries other placeholders in the places that can be to blame, one place at a time, then all of
/// them at once.
fn find_placeholders<T: DeserializeOwned>(tracer: &mut Tracer, failure: &Failure) -> bool {
    let suspects = suspects(failure);
    let singly = suspects.iter().flat_map(|suspect| {
        let others = (0..suspect.count).map(|nth| vec![(suspect.position, nth)]);
        others.collect::<Vec<_>>()
    });
    let most = suspects.iter().map(|it| it.count).max().unwrap_or(0);
    let jointly = (1..most).map(|nth| {
        let all = suspects.iter();
        all.map(|it| (it.position, nth.min(it.count - 1))).collect()
    });
    for trial in singly.chain(jointly) {
        let before = tracer.placeholders.clone();
        tracer.placeholders.extend(trial);
        tracer.record.has_grown = false;
        let place = failure.position();
        let is_taken = match run::<T>(tracer) {
            Some(next) if next.position() == place => false,
            // What is new in there may refuse its first placeholder, too: that is for later.
            Some(next) if next.stack.contains(&place) => tracer.record.has_grown,
            _ => tracer.run.closed.contains(&place),
        };
        if is_taken {
            return true;
        }
        tracer.placeholders = before;
        if tracer.is_spent() {
            return false;
        }
    }
    false
}

/// The way to read the value itself, then the places in it that were read last, then the way to
/// read what is around it.
fn suspects(failure: &Failure) -> Vec<Choice> {
    let last = failure.inside.iter().rev().take(LAST);
    let all = failure.inside.first().into_iter().chain(last);
    let mut suspects: Vec<Choice> = Vec::new();
    for choice in all.chain(&failure.around) {
        let is_new = suspects.iter().all(|it| it.position != choice.position);
        if is_new && choice.count > 1 {
            suspects.push(*choice);
        }
    }
    suspects
}

/// Notes what cannot be read, and reads the rest of the type without it. Whether there is a rest.
fn avoid(tracer: &mut Tracer, failure: &Failure) -> bool {
    let asks = |choice: &Choice| {
        let mut nodes = tracer.record.nodes(choice.position).iter();
        nodes.any(|node| matches!(node, Node::Asks(_)))
    };
    if !failure.inside.iter().any(asks) {
        let path = tracer.path(&failure.stack);
        let reason = reason(tracer, failure);
        note_incomplete(tracer, format!("{path}: {reason}"));
    }
    for place in failure.stack.iter().rev() {
        let definition = tracer.record.get(place.definition);
        let is_barred = definition.branches[place.branch].is_barred;
        let usable = definition.branches.iter().filter(|it| !it.is_barred);
        let can_be_avoided =
            definition.is_container() || definition.is_enum() && usable.count() > 1;
        if can_be_avoided && !is_barred {
            tracer.record.bar(place.definition, place.branch);
            return true;
        }
    }
    false
}

fn reason(tracer: &Tracer, failure: &Failure) -> String {
    let reason = &failure.reason;
    if failure.inside.is_empty() {
        return reason.clone();
    }
    let tried = match tracer.record.nodes(failure.position()) {
        [Node::Leaf("str")] => "texts",
        [Node::Leaf("bytes")] => "byte strings",
        [Node::Leaf("bool" | "char")] => "values",
        [Node::Leaf(_)] => "numbers",
        _ => "values",
    };
    format!("it takes none of the {tried} tried ({reason})")
}

fn note_incomplete(tracer: &mut Tracer, reason: String) {
    tracer.incomplete.get_or_insert(reason);
}

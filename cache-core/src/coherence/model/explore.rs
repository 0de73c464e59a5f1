//! All states of a scenario, breadth first.

use std::{
    collections::HashSet,
    fmt::{self, Write as _},
    hash::{BuildHasher, Hash, Hasher},
};

use foldhash::fast::FixedState;

use super::{
    Scenario,
    moves::{Move, moves},
    world::World,
};

/// A claim that does not hold, and the shortest way there.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) claim: &'static str,
    pub(super) trace: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.claim, self.trace)
    }
}

/// How a state was reached first: from which one, and by what.
struct Reached {
    from: u32,
    by: Option<Move>,
}

/// Where states leave what they consist of, as few bytes: there are millions of them.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn digest(&mut self, state: &World) -> u64 {
        self.0.clear();
        state.hash(self);
        FixedState::default().hash_one(&*self.0)
    }
}

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn write_u8(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Of variants, of which no type has many.
    fn write_isize(&mut self, variant: isize) {
        self.0.push(variant.to_le_bytes()[0]);
    }

    /// Of lengths, of which none is large.
    fn write_usize(&mut self, length: usize) {
        self.0.push(length.to_le_bytes()[0]);
    }

    fn finish(&self) -> u64 {
        FixedState::default().hash_one(&*self.0)
    }
}

/// Looks at all states of a scenario. Gives how many there are.
pub(super) fn explore(scenario: &Scenario) -> Result<usize, Broken> {
    let (mut bytes, moves) = (Bytes::default(), moves(scenario));
    let start = World::new(scenario);
    let mut seen = HashSet::with_hasher(FixedState::default());
    seen.insert(bytes.digest(&start));
    let mut reached = vec![Reached { from: 0, by: None }];
    let mut level = vec![(0, start)];
    while !level.is_empty() {
        let mut below = Vec::new();
        for (from, state) in level {
            for next in &moves {
                let Some(state) = state.after(scenario, *next) else {
                    continue;
                };
                if !seen.insert(bytes.digest(&state)) {
                    continue;
                }
                let number = u32::try_from(reached.len()).expect("fewer states than that");
                reached.push(Reached {
                    from,
                    by: Some(*next),
                });
                if let Some(claim) = state.breaks() {
                    let trace = trace(scenario, &reached, number);
                    return Err(Broken { claim, trace });
                }
                below.push((number, state));
            }
        }
        assert!(
            reached.len() <= scenario.most_states,
            "{} has {} states",
            scenario.name,
            reached.len()
        );
        level = below;
    }
    Ok(reached.len())
}

/// The steps to a state, each with the processes and servers that it changed.
fn trace(scenario: &Scenario, reached: &[Reached], last: u32) -> String {
    let place = |number: u32| usize::try_from(number).expect("a place in memory");
    let mut steps = Vec::new();
    let mut at = last;
    while let Some(by) = reached[place(at)].by {
        steps.push(by);
        at = reached[place(at)].from;
    }
    let mut state = World::new(scenario);
    let mut text = format!("{}, {} steps\n", scenario.name, steps.len());
    for step in steps.into_iter().rev() {
        let _ = writeln!(text, "  {step:?}");
        state = state.after(scenario, step).expect("it happened before");
    }
    text + &format!("{state:#?}")
}

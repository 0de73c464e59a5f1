//! What one run of a type's `Deserialize` is answered, and what is remembered of it for the next.

use std::{
    any::TypeId,
    collections::{HashMap, HashSet},
    fmt,
};

use serde::de::{DeserializeSeed, Error};

use super::{
    Schema,
    deserializer::ValueDeserializer,
    record::{Key, Node, Position, Record, Request},
    rendering::fingerprint,
};

/// How deep values lie in each other at most, so that a run fits on a small stack.
const DEPTH: usize = 64;

/// How many places are visited in all runs together.
const STEPS: usize = 1_000_000;

pub(super) struct Tracer {
    pub(super) record: Record,
    pub(super) is_human_readable: bool,
    pub(super) run: Run,
    /// The placeholder of each place that refused the first.
    pub(super) placeholders: HashMap<Position, usize>,
    pub(super) incomplete: Option<String>,
    /// Containers are filled only where they lie least deep, not where they are met first.
    pub(super) is_patient: bool,
    pub(super) least_depths: HashMap<usize, usize>,
    name: String,
    steps: usize,
    asks: Option<String>,
    hides_none: Option<String>,
}

/// One run.
#[derive(Default)]
pub(super) struct Run {
    /// The places that are being read, each inside the one before.
    pub(super) stack: Vec<Position>,
    /// What was chosen so far, in order.
    pub(super) choices: Vec<Choice>,
    /// The places that took what they were given.
    pub(super) closed: HashSet<Position>,
    /// Why the run ended early.
    pub(super) failure: Option<Failure>,
    /// The first that the type did not mind: it took an error for an answer.
    pub(super) swallowed: Option<Failure>,
    /// The variant of the last enum that is a tag: where it lies, its definition, its branch.
    pub(super) tag: Option<(Position, usize, usize)>,
    /// The containers met, which are filled once.
    pub(super) filled: HashSet<usize>,
    /// What was unfinished when the run began.
    pub(super) unfinished: Vec<bool>,
}

/// A place where another placeholder could have been given.
#[derive(Clone, Copy)]
pub(super) struct Choice {
    pub(super) position: Position,
    /// How many placeholders there are.
    pub(super) count: usize,
}

pub(super) struct Failure {
    /// The places that were being read, the innermost last: that is the one which refused.
    pub(super) stack: Vec<Position>,
    /// What was chosen in it, its own way to be read first; nothing where no other choice helps.
    pub(super) inside: Vec<Choice>,
    /// The way in which the value around it was read.
    pub(super) around: Option<Choice>,
    pub(super) reason: String,
}

impl Failure {
    /// One that no other choice can mend.
    pub(super) fn final_at(stack: Vec<Position>, reason: &str) -> Self {
        Self {
            stack,
            inside: Vec::new(),
            around: None,
            reason: reason.to_owned(),
        }
    }

    pub(super) fn position(&self) -> Position {
        self.stack.last().copied().unwrap_or(Position::ROOT)
    }
}

/// Why a type does not take what it is given, or why it is given nothing more.
#[derive(Debug)]
pub(super) struct Refused {
    reason: String,
    /// No other placeholder helps.
    is_final: bool,
}

impl Refused {
    pub(super) fn by_trace(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            is_final: true,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refused {}

impl Error for Refused {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self {
            reason: reason.to_string(),
            is_final: false,
        }
    }
}

impl Tracer {
    pub(super) fn new(name: String, is_human_readable: bool) -> Self {
        Self {
            record: Record::new(),
            is_human_readable,
            run: Run::default(),
            placeholders: HashMap::new(),
            incomplete: None,
            is_patient: false,
            least_depths: HashMap::new(),
            name,
            steps: 0,
            asks: None,
            hides_none: None,
        }
    }

    pub(super) fn finish(self, type_name: &str) -> Schema {
        Schema {
            fingerprint: self.fingerprint(type_name),
            asks: self.asks,
            hides_none: self.hides_none,
            incomplete: self.incomplete,
        }
    }

    pub(super) fn fingerprint(&self, type_name: &str) -> u64 {
        fingerprint(&self.record, type_name, self.is_human_readable)
    }

    pub(super) fn begin(&mut self) {
        self.run = Run {
            unfinished: self.record.unfinished(),
            ..Run::default()
        };
    }

    pub(super) fn is_spent(&self) -> bool {
        self.steps >= STEPS
    }

    pub(super) fn step(&mut self) -> Result<(), Refused> {
        self.steps += 1;
        if self.is_spent() {
            return Err(Refused::by_trace("the type takes too many steps to trace"));
        }
        Ok(())
    }

    /// The path of the innermost of the places, in backticks.
    pub(super) fn path(&self, stack: &[Position]) -> String {
        let labels = stack.iter().skip(1).map(|place| self.record.label(*place));
        format!("`{}{}`", self.name, labels.collect::<String>())
    }

    pub(super) fn note_asking(&mut self) {
        if self.asks.is_none() {
            self.asks = Some(self.path(&self.run.stack));
        }
    }

    pub(super) fn note_hidden_none(&mut self) {
        if self.hides_none.is_none() {
            self.hides_none = Some(self.path(&self.run.stack));
        }
    }

    /// Reads what lies in a place.
    pub(super) fn read<'de, S: DeserializeSeed<'de>>(
        &mut self,
        position: Position,
        seed: S,
    ) -> Result<S::Value, Refused> {
        self.within(position, false, |place| seed.deserialize(place))
    }

    /// Does what reads a place, and remembers whether it succeeded.
    pub(super) fn within<T>(
        &mut self,
        position: Position,
        is_in_option: bool,
        read: impl FnOnce(ValueDeserializer<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        self.step()?;
        let first_choice = self.run.choices.len();
        self.run.stack.push(position);
        let result = if self.run.stack.len() > DEPTH {
            Err(self.dead_end("values lie too deep in each other"))
        } else {
            read(ValueDeserializer {
                tracer: self,
                position,
                is_in_option,
            })
        };
        match &result {
            Ok(_) => {
                if let Some(failure) = self.run.failure.take() {
                    self.run.swallowed.get_or_insert(failure);
                }
                self.run.closed.insert(position);
            }
            Err(refused) => self.note_failure(refused, first_choice),
        }
        self.run.stack.pop();
        result
    }

    /// The innermost place that fails is the one to blame; those around it pass its error on.
    fn note_failure(&mut self, refused: &Refused, first_choice: usize) {
        if self.run.failure.is_some() {
            return;
        }
        let is_final = refused.is_final;
        let (before, inside) = self.run.choices.split_at(first_choice);
        let outer = self.run.stack.iter().rev().nth(1);
        let around = outer.and_then(|outer| {
            let mut before = before.iter().rev();
            before.find(|choice| choice.position == *outer).copied()
        });
        self.run.failure = Some(Failure {
            stack: self.run.stack.clone(),
            inside: if is_final {
                Vec::new()
            } else {
                inside.to_vec()
            },
            around: around.filter(|_| !is_final),
            reason: refused.reason.clone(),
        });
    }

    /// Remembers what a place asks for. Which of the placeholders it is to be given.
    pub(super) fn choose(&mut self, position: Position, node: Node, count: usize) -> usize {
        self.record.see(position, node);
        self.run.choices.push(Choice { position, count });
        // In one place lie different things where a sequence has elements of several types.
        let nth = self.placeholders.get(&position).copied().unwrap_or(0);
        if nth < count { nth } else { 0 }
    }

    /// The definition behind a request, and which of the ways to answer it is to be taken.
    pub(super) fn define(
        &mut self,
        position: Position,
        visitor: TypeId,
        request: Request,
        count: usize,
    ) -> (usize, usize) {
        let is_tag = matches!(request, Request::Enum(..)) && self.record.is_tag(position);
        let id = self.record.define(Key {
            visitor,
            request,
            tag: is_tag.then_some(position),
        });
        (id, self.choose(position, Node::Definition(id), count))
    }
}

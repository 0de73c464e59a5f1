//! Which part of a return value is kept, which part is an error, and how an entry gives it back.
//!
//! Expansions find both by method resolution ([`Probe`], [`ErrorProbe`]), so that aliases of `Result`
//! and `Option` count as what they are. The engine sees only [`Stored`].

mod keep;
mod probe;
pub(crate) mod schema;
mod shape;
mod size;
mod transport;
mod weigh;

use std::{any::Any, marker::PhantomData, sync::Arc};

pub use keep::{Keep, Ttl};
pub(crate) use keep::{Keeper, Maker, Receiver, Travelling};
pub use probe::{
    ErrorProbe, Probe, ProbeFallibleOptional, ProbeLayer, ProbePlain, ProbeShared, ProbeUnshared,
};
pub(crate) use shape::Shape;
#[cfg(any(feature = "json", feature = "msgpack"))]
pub(crate) use size::shape;
#[cfg(test)]
pub(crate) use transport::Transport;
pub(crate) use transport::{Refusal, Wire};
pub use weigh::{ProbeSize, ProbeTravel, ProbeWeigh, TravelProbe, travels};

use crate::{
    clock::Clock,
    event::Tag,
    l1::{Entry, Stored},
};

/// Whether one error can answer several callers, and how it is held for them.
pub trait Sharing<E>: Copy + Send + Sync + 'static {
    /// What an entry holds of an error.
    type Held: Send + Sync + 'static;

    /// The error as an entry holds it, or the error itself where only one caller can have it.
    fn hold(error: E) -> Result<Self::Held, E>;
    /// The error once more.
    fn again(held: &Self::Held) -> E;
}

/// A loaded value as the engine sees it.
pub(crate) enum Loaded {
    /// Answers every caller.
    Node {
        node: Arc<dyn Stored>,
        fate: Fate,
        /// What the value depends on, where only it says so.
        tags: Vec<Tag>,
    },
    /// An output that answers only the caller whose load it was.
    Own {
        output: Box<dyn Any + Send>,
        has_failed: bool,
    },
}

impl Loaded {
    pub(crate) fn into_answer(self) -> Answer {
        match self {
            Self::Node { node, .. } => Answer::Shared(node),
            Self::Own { output, .. } => Answer::Own(output),
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        match self {
            Self::Node { fate, .. } => matches!(fate, Fate::KeepUnlessFresh | Fate::Leave),
            Self::Own { has_failed, .. } => *has_failed,
        }
    }
}

/// What a load means for the entry of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It takes the place of the entry.
    Keep,
    /// It takes the place of an entry that is no longer fresh.
    KeepUnlessFresh,
    /// It succeeded and is not to be kept: what is there is outdated.
    Forget,
    /// It says nothing about what is there.
    Leave,
}

/// What answers a call that was not a hit.
pub(crate) enum Answer {
    Shared(Arc<dyn Stored>),
    Own(Box<dyn Any + Send>),
}

/// What an entry holds of one outcome.
pub(crate) enum Outcome<V, H> {
    Value(V),
    Error(H),
    /// Handed to the only caller that was left.
    Gone,
}

/// An outcome with its entry: the type behind [`Stored`].
pub(crate) struct Node<V, H> {
    pub(crate) entry: Entry,
    pub(crate) outcome: Outcome<V, H>,
}

impl<V: Send + Sync + 'static, H: Send + Sync + 'static> Stored for Node<V, H> {
    fn entry(&self) -> &Entry {
        &self.entry
    }

    fn entry_mut(&mut self) -> &mut Entry {
        &mut self.entry
    }

    fn value(&self) -> Option<&dyn Any> {
        match &self.outcome {
            Outcome::Value(value) => Some(value),
            Outcome::Error(_) | Outcome::Gone => None,
        }
    }
}

/// An output taken apart.
type Split<S> = Result<<S as Shape>::Kept, <S as Shape>::Error>;

/// Makes an outcome that answers every caller, or gives the error that cannot.
type Build<S> = fn(Entry, Split<S>) -> Result<Arc<dyn Stored>, <S as Shape>::Error>;

/// The functions through which the engine, which knows no value type, handles one return type.
struct Functions<S: Shape> {
    build: Build<S>,
    hit: fn(&dyn Stored, &Clock) -> Option<S::Output>,
    again: fn(&dyn Stored) -> Option<S::Output>,
    take: fn(&mut dyn Stored) -> Option<S::Output>,
    own: fn(Split<S>) -> Box<dyn Any + Send>,
}

/// A return type that has all it needs.
///
/// [`returned`] is the only place that asks for bounds on the return type, so that each bound that
/// is missing is one error, reported at the return type.
pub struct Returned<S: Shape, X> {
    functions: &'static Functions<S>,
    sharing: PhantomData<fn() -> X>,
}

impl<S: Shape, X> Clone for Returned<S, X> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Shape, X> Copy for Returned<S, X> {}

impl<S: Shape, X> std::fmt::Debug for Returned<S, X> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Returned")
    }
}

/// Asserts what a return type needs, and gives the functions that handle it.
#[inline]
pub fn returned<S, X>(_shape: S, _sharing: X) -> Returned<S, X>
where
    S: Shape,
    S::Kept: Clone + Send + Sync + 'static,
    S::Error: Send + 'static,
    X: Sharing<S::Error>,
{
    Returned {
        functions: const {
            &Functions {
                build: build::<S, X>,
                hit: hit::<S, X>,
                again: again::<S, X>,
                take: take::<S, X>,
                own: |split| Box::new(Some(split)),
            }
        },
        sharing: PhantomData,
    }
}

/// Why an output is found where one is looked for.
const ONE_TYPE: &str =
    "a flight holds the values of one function, and a function has one return type";

impl<S: Shape, X> Returned<S, X> {
    /// The output that a stored outcome stands for, where it is usable.
    #[inline]
    pub(crate) fn hit(self, stored: &dyn Stored, clock: &Clock) -> Option<S::Output> {
        (self.functions.hit)(stored, clock)
    }

    /// The output of a call that was not a hit: the value itself where nobody else holds it, as no tier
    /// kept it and nobody waited.
    pub(crate) fn output(self, answer: Answer) -> S::Output {
        let output = match answer {
            Answer::Shared(mut node) => match Arc::get_mut(&mut node) {
                Some(node) => (self.functions.take)(node),
                None => (self.functions.again)(&*node),
            },
            Answer::Own(mut own) => own.downcast_mut::<Option<Split<S>>>().and_then(|own| {
                Some(match own.take()? {
                    Ok(kept) => S::kept(kept),
                    Err(error) => S::failed(error),
                })
            }),
        };
        output.expect(ONE_TYPE)
    }

    /// An output for the caller whose load it was, and for nobody else.
    pub(crate) fn own(self, split: Split<S>) -> Loaded {
        Loaded::Own {
            has_failed: split.is_err(),
            output: (self.functions.own)(split),
        }
    }

    /// An outcome that answers every caller, or the error that cannot.
    pub(crate) fn build(self, entry: Entry, split: Split<S>) -> Result<Arc<dyn Stored>, S::Error> {
        (self.functions.build)(entry, split)
    }
}

fn build<S, X>(entry: Entry, split: Split<S>) -> Result<Arc<dyn Stored>, S::Error>
where
    S: Shape,
    S::Kept: Send + Sync + 'static,
    X: Sharing<S::Error>,
{
    let outcome = match split {
        Ok(kept) => Outcome::Value(kept),
        Err(error) => Outcome::Error(X::hold(error)?),
    };
    Ok(Arc::new(Node::<S::Kept, X::Held> { entry, outcome }))
}

#[inline]
fn hit<S, X>(stored: &dyn Stored, clock: &Clock) -> Option<S::Output>
where
    S: Shape,
    S::Kept: Clone + Send + Sync + 'static,
    X: Sharing<S::Error>,
{
    let node = (stored as &dyn Any).downcast_ref::<Node<S::Kept, X::Held>>()?;
    if !node.entry.is_usable(clock) {
        return None;
    }
    node.again::<S, X>()
}

fn again<S, X>(stored: &dyn Stored) -> Option<S::Output>
where
    S: Shape,
    S::Kept: Clone + Send + Sync + 'static,
    X: Sharing<S::Error>,
{
    let node = (stored as &dyn Any).downcast_ref::<Node<S::Kept, X::Held>>()?;
    node.again::<S, X>()
}

impl<V: Clone, H> Node<V, H> {
    #[inline]
    fn again<S, X>(&self) -> Option<S::Output>
    where
        S: Shape<Kept = V>,
        X: Sharing<S::Error, Held = H>,
    {
        match &self.outcome {
            Outcome::Value(value) => Some(S::kept(value.clone())),
            Outcome::Error(held) => Some(S::failed(X::again(held))),
            Outcome::Gone => None,
        }
    }
}

fn take<S, X>(stored: &mut dyn Stored) -> Option<S::Output>
where
    S: Shape,
    S::Kept: Send + Sync + 'static,
    X: Sharing<S::Error>,
{
    let node = (stored as &mut dyn Any).downcast_mut::<Node<S::Kept, X::Held>>()?;
    match std::mem::replace(&mut node.outcome, Outcome::Gone) {
        Outcome::Value(value) => Some(S::kept(value)),
        Outcome::Error(held) => Some(S::failed(X::again(&held))),
        Outcome::Gone => None,
    }
}

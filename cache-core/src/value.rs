//! Which part of a return value is kept, which part is an error, and how an entry gives it back.
//!
//! Expansions find both by method resolution ([`Probe`], [`ErrorProbe`]), so that aliases of `Result`
//! and `Option` count as what they are. The engine sees only [`Stored`].

mod keep;
mod maker;
mod probe;
pub(crate) mod schema;
mod shape;
mod size;
mod transport;
mod weigh;

use std::{
    any::{Any, TypeId},
    marker::PhantomData,
    sync::Arc,
};

pub use keep::Keep;
pub(crate) use keep::{Beyond, Judge, LateAnswer, Receiver, Travelling};
pub(crate) use maker::Maker;
pub use probe::{
    ErrorProbe, Probe, ProbeFallibleOptional, ProbeLayer, ProbePlain, ProbeShared, ProbeUnshared,
    each,
};
pub(crate) use shape::Shape;
#[cfg(any(feature = "json", feature = "msgpack"))]
pub(crate) use size::shape;
#[cfg(test)]
pub(crate) use transport::Transport;
pub(crate) use transport::{Refusal, Wire};
pub use weigh::{ProbeSize, ProbeTravel, ProbeWeigh, TravelProbe, travels};

use crate::{
    event::Tag,
    l1::{Entry, Node, Stored},
};

/// Whether one error can answer several callers, and how it is held for them.
pub trait Sharing<E>: Copy + Send + Sync + 'static {
    /// What an entry holds of an error.
    type Held: Clone + Send + Sync + 'static;

    /// An output as an entry holds it, or the error itself where only one caller can have it.
    fn hold<K>(split: Result<K, E>) -> Result<Result<K, Self::Held>, E>;
    /// The error of what an entry held.
    fn release(held: Self::Held) -> E;
    /// The error that only one caller can have.
    fn own(error: Box<dyn Any + Send>) -> E;
}

/// A loaded value as the engine sees it.
pub(crate) enum Loaded {
    /// Answers every caller.
    Node {
        node: Arc<Node>,
        fate: Fate,
        /// What the value depends on, where only it says so.
        tags: Vec<Tag>,
    },
    /// An error that answers only the caller whose load it was.
    Own {
        error: Box<dyn Any + Send>,
        /// A stale value may stand in for it.
        is_replaceable: bool,
    },
}

impl Loaded {
    /// Whether it is an error that a stale value may stand in for.
    pub(crate) fn is_replaceable(&self) -> bool {
        match self {
            Self::Node { node, .. } => node.entry().is_replaceable(),
            Self::Own { is_replaceable, .. } => *is_replaceable,
        }
    }

    pub(crate) fn into_answer(self) -> Answer {
        match self {
            Self::Node { node, .. } => Answer::Shared(node),
            Self::Own { error, .. } => Answer::Own(error),
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        match self {
            Self::Node { fate, .. } => matches!(fate, Fate::KeepUnlessFresh | Fate::Leave),
            Self::Own { .. } => true,
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

/// What answers a call.
pub(crate) enum Answer {
    /// What memory had.
    Hit(Arc<Node>),
    /// What was loaded, and others may have.
    Shared(Arc<Node>),
    /// An error that nobody else has.
    Own(Box<dyn Any + Send>),
}

/// What an entry holds of an output; nothing once that was handed to the only caller that was left.
struct Outcome<V, H>(Option<Result<V, H>>);

impl<V: Send + Sync + 'static, H: Send + Sync + 'static> Stored for Outcome<V, H> {
    fn value(&self) -> Option<&dyn Any> {
        match &self.0 {
            Some(Ok(value)) => Some(value),
            _ => None,
        }
    }
}

/// An output taken apart.
type Split<S> = Result<<S as Shape>::Kept, <S as Shape>::Error>;

/// An outcome with its entry, or an error that only one caller can have.
pub(crate) type Built = Result<Arc<Node>, Box<dyn Any + Send>>;

/// The functions through which the engine, which knows no value type, handles one return type.
struct Functions<S: Shape> {
    /// Makes of an output an outcome that answers every caller, or gives the error that cannot.
    build: fn(Entry, S::Output) -> Built,
    output: fn(Answer) -> S::Output,
    /// The output of an entry that others have too.
    copy: fn(&Node) -> S::Output,
    output_type: TypeId,
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
                output: output::<S, X>,
                copy: copy::<S, X>,
                output_type: TypeId::of::<S::Output>(),
            }
        },
        sharing: PhantomData,
    }
}

impl<S: Shape, X> Returned<S, X> {
    /// What the function returns, as the engine answers it.
    pub(crate) fn output(self, answer: Answer) -> S::Output {
        (self.functions.output)(answer)
    }

    /// What it returns as an entry has it, which others may be served too.
    #[inline]
    pub(crate) fn copy(self, node: &Node) -> S::Output {
        (self.functions.copy)(node)
    }

    #[inline]
    pub(crate) fn output_type(self) -> &'static TypeId {
        &self.functions.output_type
    }

    /// An outcome that answers every caller, or the error that cannot.
    pub(crate) fn build(self, entry: Entry, output: S::Output) -> Built {
        (self.functions.build)(entry, output)
    }
}

fn build<S, X>(entry: Entry, output: S::Output) -> Built
where
    S: Shape,
    S::Kept: Send + Sync + 'static,
    S::Error: Send,
    X: Sharing<S::Error>,
{
    match X::hold(S::split(output)) {
        Ok(held) => Ok(Arc::new(Node::new(entry, Outcome(Some(held))))),
        Err(error) => Err(own(error)),
    }
}

/// An error that only one caller can have.
#[cold]
#[inline(never)]
fn own<E: Send + 'static>(error: E) -> Box<dyn Any + Send> {
    Box::new(error)
}

/// The value itself where nobody else holds it, as no tier kept it and nobody waited.
fn output<S, X>(answer: Answer) -> S::Output
where
    S: Shape,
    S::Kept: Clone + Send + Sync + 'static,
    X: Sharing<S::Error>,
{
    let (mut node, is_hit) = match answer {
        Answer::Hit(node) => (node, true),
        Answer::Shared(node) => (node, false),
        Answer::Own(error) => return S::failed(X::own(error)),
    };
    let sole = if is_hit { None } else { sole(&mut node) };
    match sole {
        Some(node) => given::<S, X>(taken(node)),
        None => copy::<S, X>(&node),
    }
}

fn copy<S, X>(node: &Node) -> S::Output
where
    S: Shape,
    S::Kept: Clone + Send + Sync + 'static,
    X: Sharing<S::Error>,
{
    given::<S, X>(copied(node))
}

#[inline]
fn given<S: Shape, X: Sharing<S::Error>>(held: Option<Result<S::Kept, X::Held>>) -> S::Output {
    match held {
        Some(Ok(kept)) => S::kept(kept),
        Some(Err(held)) => S::failed(X::release(held)),
        None => another_type(),
    }
}

#[inline(never)]
fn sole(node: &mut Arc<Node>) -> Option<&mut Node> {
    Arc::get_mut(node)
}

#[inline]
fn copied<V: Clone + 'static, H: Clone + 'static>(node: &Node) -> Option<Result<V, H>> {
    let stored: &dyn Any = node.stored();
    match stored.downcast_ref::<Outcome<V, H>>() {
        Some(outcome) => outcome.0.clone(),
        None => None,
    }
}

#[inline]
fn taken<V: 'static, H: 'static>(node: &mut Node) -> Option<Result<V, H>> {
    let stored: &mut dyn Any = node.stored_mut();
    match stored.downcast_mut::<Outcome<V, H>>() {
        Some(outcome) => outcome.0.take(),
        None => None,
    }
}

/// # Panics
///
/// Always: a flight holds the values of one function, and a function has one return type.
#[cold]
fn another_type() -> ! {
    unreachable!("an answer is of the type that its function returns")
}

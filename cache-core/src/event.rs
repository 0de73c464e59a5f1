//! What changed, in the words of users, and the tags that follow from it: those that an entry depends on
//! and those that a change gives new versions.
//!
//! All tags follow from the event type alone, never from who listens: a program that links no cached
//! function bumps the same ones.

mod literal;
mod many;
mod mark;
mod order;
mod path;

use std::{collections::HashSet, fmt, marker::PhantomData};

pub(crate) use self::path::{Path, Tag};
pub use self::{
    literal::{Described, describe, owned, prefix, rest, whole},
    many::Events,
    mark::{EventIn, ProbeEvents, ProbeOther, Unmarked},
    order::OutOfOrder,
};
use crate::key::KeyWriter;

/// Something that can change, such as "the user with this id". Derive it:
///
/// ```
/// use cache_core::Event;
///
/// #[derive(Event)]
/// pub struct OrderChanged {
///     pub tenant: String,
///     pub id: u64,
/// }
/// ```
///
/// The order of the fields is a hierarchy. Besides the whole event, functions can listen to or emit
/// `OrderChanged { tenant, .. }`, a change of all orders of a tenant, and `OrderChanged { .. }`, a change of all
/// orders. A function that listens to a whole event hears of each of its prefixes, and the other way round. A field is
/// part of a key: a [`CacheKey`](crate::CacheKey).
///
/// Other processes know the event by the name of its type, without the path, or by `#[event(name = "..")]`. Listeners
/// of two events with one name hear of both, which costs loads and is never wrong. A field can be added at the end
/// while older processes run.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "no `#[derive(Event)]`",
    note = "derive it where the type is defined: `#[derive(cache_core::Event)]`"
)]
pub trait Event {
    /// The name by which other processes know the event. It is part of keys and messages: an empty name, or one with
    /// spaces, control characters or any of `:/{}`, does not compile where the event is emitted or listened to.
    ///
    /// ```compile_fail
    /// # use cache_core::{Cache, Event};
    /// struct Renamed;
    ///
    /// impl Event for Renamed {
    ///     const NAME: &'static str = "row renamed";
    ///     const FIELDS: &'static [&'static str] = &[];
    ///
    ///     fn write_fields(&self, _count: usize, _key: &mut cache_core::KeyWriter) {}
    /// }
    ///
    /// let cache = Cache::current();
    /// let emitted = cache.emit(Renamed);
    /// ```
    const NAME: &'static str;

    /// The names of the fields, outermost first.
    const FIELDS: &'static [&'static str];

    /// Writes the first `count` fields in their order.
    fn write_fields(&self, count: usize, key: &mut KeyWriter);
}

impl<E: Event + ?Sized> Event for &E {
    const NAME: &'static str = E::NAME;
    const FIELDS: &'static [&'static str] = E::FIELDS;

    fn write_fields(&self, count: usize, key: &mut KeyWriter) {
        (**self).write_fields(count, key);
    }
}

/// An event of which only the first fields are given: it means all events below them. [`event!`](macro@crate::event)
/// makes it.
pub struct Prefix<E> {
    path: Path,
    event: PhantomData<fn() -> E>,
}

impl<E> Clone for Prefix<E> {
    fn clone(&self) -> Self {
        Self {
            path: self.path.clone(),
            event: PhantomData,
        }
    }
}

impl<E> fmt::Debug for Prefix<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Prefix").field(&self.path).finish()
    }
}

/// A field that an expansion names: its name, and what writes its value.
pub type Named<'a> = (&'static str, &'a dyn Fn(&mut KeyWriter));

impl<E> Prefix<E> {
    fn new(path: Path) -> Self {
        Self {
            path,
            event: PhantomData,
        }
    }
}

/// The tags that one call's entry depends on. Expansions fill it.
#[derive(Debug, Default)]
pub struct Interests(Vec<Tag>);

impl Interests {
    /// The entry is void when one of these events, or of those below them, is emitted.
    pub fn add(&mut self, events: &(impl Events + ?Sized)) {
        let mut paths = Vec::new();
        events.add_to(&mut Paths(&mut paths));
        for path in &paths {
            for tag in path.watched() {
                if !self.0.contains(&tag) {
                    self.0.push(tag);
                }
            }
        }
    }

    pub(crate) fn into_tags(self) -> Vec<Tag> {
        self.0
    }
}

/// What was changed. Expansions fill it.
#[derive(Clone, Debug, Default)]
pub struct Changes(Vec<Path>);

impl Changes {
    /// These events are emitted.
    pub fn add(&mut self, events: &(impl Events + ?Sized)) {
        events.add_to(&mut Paths(&mut self.0));
    }

    /// Each tag to be bumped, once.
    pub(crate) fn tags(&self) -> Vec<Tag> {
        let mut seen = HashSet::new();
        let tags = self.0.iter().flat_map(Path::bumped);
        tags.filter(|tag| seen.insert(tag.clone())).collect()
    }
}

/// Where events leave their paths.
#[derive(Debug)]
pub struct Paths<'a>(&'a mut Vec<Path>);

impl Paths<'_> {
    fn add<E: Event>(&mut self, event: &E) {
        const { literal::assert_name::<E>() };
        let count = E::FIELDS.len();
        self.0.push(Path::new(E::NAME, count, &|count, key| {
            event.write_fields(count, key);
        }));
    }

    #[cfg(test)]
    pub(crate) fn add_all(&mut self, changes: &Changes) {
        self.0.extend_from_slice(&changes.0);
    }

    fn add_path(&mut self, path: &Path) {
        self.0.push(path.clone());
    }
}

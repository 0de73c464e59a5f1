//! Which functions emit which events, and which listen to them: what the expansions of a whole program told, gathered by
//! the linker. Nothing here knows a cache, or runs before it is asked.

mod json;
mod orphans;
mod pictures;
pub(crate) mod probe;
pub(crate) mod registry;
#[cfg(test)]
mod tests;
mod text;

use std::{collections::HashSet, fmt};

use self::registry::{Registered, Registry, SourceLine, cached_name};
use crate::stats::FunctionStats;

/// The graph of this program: which functions emit which events, and which listen to them.
///
/// It needs no call: each function that names an event is in it, of all crates that the program is linked from, in the
/// same order in each build.
///
/// ```standalone_crate
/// use cache_core::{Event, cached, graph, invalidates};
///
/// #[derive(Event)]
/// pub struct UserChanged {
///     pub id: u64,
/// }
///
/// #[cached(ttl = 5m, invalidate_on = UserChanged { id })]
/// async fn user(id: u64) -> Option<String> {
///     (id == 7).then(|| "Ada".to_owned())
/// }
///
/// #[invalidates(UserChanged { id })]
/// async fn rename(id: u64, name: &str) {
///     println!("user {id} is {name} now");
/// }
///
/// let graph = graph();
/// let emitter = graph.emitters_of("UserChanged").next().expect("`rename` emits it");
/// assert!(emitter.function().ends_with("::rename"));
/// assert_eq!(emitter.pattern(), "UserChanged { id }");
///
/// println!("{graph}"); // text; `to_mermaid`, `to_dot` and `to_json` are for others to read
/// graph.assert_no_orphans(); // each event leads somewhere
/// ```
///
/// The [guide](crate::guide::graph) says what is in it and what is not, and shows one.
#[must_use]
pub fn graph() -> Graph {
    told().into_graph()
}

/// The names of all cached functions of this program that are in none of these rows.
pub(crate) fn never_called(rows: &[FunctionStats]) -> Vec<String> {
    let called = rows.iter().map(|row| cached_name(&row.name));
    let called: HashSet<_> = called.collect();
    let mut never = told().into_cached();
    never.retain(|name| !called.contains(name));
    never.sort_unstable();
    never.dedup();
    never
}

fn told() -> Registry {
    let mut registry = Registry::default();
    for Registered(register) in inventory::iter::<Registered> {
        register(&mut registry);
    }
    registry
}

/// Events, and the functions that emit them or listen to them. [`graph()`](fn@crate::graph) makes it.
///
/// Shown as text, it names each event with its functions and their places in the source.
#[derive(Clone, Debug)]
pub struct Graph {
    events: Vec<KnownEvent>,
    links: Vec<Link>,
}

impl Graph {
    /// All events by their names: those that a type derives, and those that a function names.
    #[must_use]
    pub fn events(&self) -> &[KnownEvent] {
        &self.events
    }

    /// All that functions do with events: by event, emitters first, then by function.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The functions that emit the event of this name, or all events below its first fields.
    pub fn emitters_of(&self, event: &str) -> impl Iterator<Item = &Link> {
        self.of(Some(event), Direction::Emits)
    }

    /// The functions that listen to the event of this name, or to all events below its first fields.
    pub fn listeners_of(&self, event: &str) -> impl Iterator<Item = &Link> {
        self.of(Some(event), Direction::Listens)
    }

    fn of(&self, event: Option<&str>, direction: Direction) -> impl Iterator<Item = &Link> {
        let is_it = move |link: &&Link| link.event == event && link.direction == direction;
        self.links.iter().filter(is_it)
    }
}

/// An event as a program knows it. Types of one name are one event, as they are for other processes.
#[derive(Clone, Debug)]
pub struct KnownEvent {
    name: &'static str,
    fields: &'static [&'static str],
    /// Where it is derived, if it is.
    place: Option<SourceLine>,
    is_used_elsewhere: bool,
}

impl KnownEvent {
    /// The name by which other processes know it: `Event::NAME`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The names of its fields, outermost first.
    #[must_use]
    pub fn fields(&self) -> &'static [&'static str] {
        self.fields
    }

    /// Where it is derived, as `file:line`; `None` if `Event` is implemented by hand.
    #[must_use]
    pub fn place(&self) -> Option<impl fmt::Display + use<>> {
        self.place
    }

    /// Whether it says `#[event(used_elsewhere)]`.
    #[must_use]
    pub fn is_used_elsewhere(&self) -> bool {
        self.is_used_elsewhere
    }

    fn pattern(&self) -> String {
        registry::pattern(self.name, self.fields, self.fields)
    }
}

/// What a function does with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// It emits the event.
    Emits,
    /// The event invalidates its entries.
    Listens,
}

/// One function and one event that it emits or listens to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    event: Option<&'static str>,
    direction: Direction,
    function: String,
    pattern: String,
    place: SourceLine,
}

impl Link {
    /// The name of the event. `None` if only an expression says what it is, which the program does not know before it
    /// runs.
    #[must_use]
    pub fn event(&self) -> Option<&'static str> {
        self.event
    }

    /// What the function does with it.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The path of the function, such as `shop::orders::place`, without type parameters of its own.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.function
    }

    /// What the function names: `OrderChanged { tenant, id }`, `OrderChanged { tenant, .. }`, or the expression.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Where the function names it, as `file:line`: the line of the attribute, or of `event!`.
    #[must_use]
    pub fn place(&self) -> impl fmt::Display + use<> {
        self.place
    }

    /// What of the pattern follows the name of the event, where that is not all of its fields.
    fn prefix(&self) -> Option<&str> {
        let fields = self.pattern.strip_prefix(self.event?)?.trim_start();
        fields.ends_with(".. }").then_some(fields)
    }
}

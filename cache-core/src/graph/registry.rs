//! What expansions tell, and how it becomes a graph.

use std::{any, collections::BTreeMap, fmt};

use super::{Direction, Graph, KnownEvent, Link};
use crate::{
    event::{Described, Event},
    function::{CLOSURE, path_in, without_parameters, without_version},
};

/// What an expansion has the linker gather: a function that tells of an event, or of what a function does with some.
#[derive(Clone, Copy, Debug)]
pub struct Registered(pub fn(&mut Registry));

inventory::collect!(Registered);

/// A line of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SourceLine {
    file: &'static str,
    line: u32,
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What was told so far.
#[derive(Debug, Default)]
pub struct Registry {
    events: BTreeMap<&'static str, KnownEvent>,
    /// The last part of the path of each type that derives an event, and that event.
    types: Vec<(String, &'static str)>,
    links: Vec<Link>,
    mentions: Vec<Mention>,
    cached: Vec<String>,
}

/// An expression that gives events, of which the names in it are known.
#[derive(Debug)]
struct Mention {
    types: &'static [&'static str],
    /// The expression is the pattern, and nothing where it tells of itself besides.
    link: Link,
}

impl Registry {
    /// Tells of an event that is derived.
    pub fn event<E: Event>(&mut self, file: &'static str, line: u32, is_used_elsewhere: bool) {
        let path = path_in(any::type_name::<E>());
        let ident = path.rsplit("::").next().unwrap_or(path);
        self.types.push((ident.to_owned(), E::NAME));
        let place = SourceLine { file, line };
        let event = self.known(E::NAME, E::FIELDS);
        event.is_used_elsewhere |= is_used_elsewhere;
        if event.place.is_none_or(|known| place < known) {
            event.place = Some(place);
            event.fields = E::FIELDS;
        }
    }

    /// Tells of a cached function: of an item in it, and of the option `name`, if it has that.
    pub fn cached(&mut self, item: &str, name: &str) {
        self.cached.push(if name.is_empty() {
            without_parameters(&path_of(item))
        } else {
            name.to_owned()
        });
    }

    /// Tells of a function that emits. `item` is the path of an item in it.
    pub fn emitter(&mut self, item: &str, file: &'static str, line: u32) -> Function<'_> {
        self.function(Direction::Emits, item, SourceLine { file, line })
    }

    /// Tells of a function that listens.
    pub fn listener(&mut self, item: &str, file: &'static str, line: u32) -> Function<'_> {
        self.function(Direction::Listens, item, SourceLine { file, line })
    }

    fn function(&mut self, direction: Direction, item: &str, place: SourceLine) -> Function<'_> {
        Function {
            registry: self,
            direction,
            path: path_of(item),
            place,
        }
    }

    fn known(&mut self, name: &'static str, fields: &'static [&'static str]) -> &mut KnownEvent {
        self.events.entry(name).or_insert(KnownEvent {
            name,
            fields,
            place: None,
            is_used_elsewhere: false,
        })
    }

    /// The cached functions, by their names.
    pub(super) fn into_cached(self) -> Vec<String> {
        self.cached
    }

    pub(super) fn into_graph(mut self) -> Graph {
        for mention in std::mem::take(&mut self.mentions) {
            self.resolve(mention);
        }
        self.links.sort();
        self.links.dedup();
        Graph {
            events: self.events.into_values().collect(),
            links: self.links,
        }
    }

    /// Makes links to the events whose types are mentioned, or to none.
    fn resolve(&mut self, mention: Mention) {
        let is_mentioned = |(ident, _): &&(String, _)| mention.types.contains(&ident.as_str());
        let names: Vec<_> = self.types.iter().filter(is_mentioned).collect();
        for (_, name) in &names {
            let Some(event) = self.events.get(name) else {
                continue;
            };
            self.links.push(Link {
                event: Some(name),
                pattern: event.pattern(),
                ..mention.link.clone()
            });
        }
        if names.is_empty() && !mention.link.pattern.is_empty() {
            self.links.push(mention.link);
        }
    }
}

/// A function of which an expansion tells.
#[derive(Debug)]
pub struct Function<'a> {
    registry: &'a mut Registry,
    direction: Direction,
    path: String,
    place: SourceLine,
}

impl Function<'_> {
    /// It names this event, if it is one.
    pub fn whole(&mut self, event: Option<Described>) {
        if let Some(event) = event {
            self.prefix(event, event.fields());
        }
    }

    /// It names all events below these fields of this one.
    pub fn prefix(&mut self, event: Described, fields: &[&str]) {
        let link = self.link(
            Some(event.name()),
            pattern(event.name(), event.fields(), fields),
        );
        self.registry.known(event.name(), event.fields());
        self.registry.links.push(link);
    }

    /// It names some of the events of these types, as the expression says.
    pub fn some(&mut self, types: &'static [&'static str], expression: &str) {
        let link = self.link(None, expression.to_owned());
        self.registry.mentions.push(Mention { types, link });
    }

    fn link(&self, event: Option<&'static str>, pattern: String) -> Link {
        Link {
            event,
            direction: self.direction,
            function: self.path.clone(),
            pattern,
            place: self.place,
        }
    }
}

/// The event as it is written, with those of its fields that are named.
pub(super) fn pattern(event: &str, fields: &[&str], named: &[&str]) -> String {
    let mut words: Vec<_> = fields
        .iter()
        .copied()
        .take_while(|field| named.contains(field))
        .collect();
    if words.len() < fields.len() {
        words.push("..");
    }
    if words.is_empty() {
        return event.to_owned();
    }
    format!("{event} {{ {} }}", words.join(", "))
}

/// What a cached function is called in `Registry::cached`, by its name in statistics.
pub(super) fn cached_name(name: &str) -> String {
    without_parameters(without_version(name)).replace(CLOSURE, "")
}

/// The path of the function around an item, without what the compiler calls its blocks.
fn path_of(item: &str) -> String {
    let (path, _) = item.rsplit_once("::").unwrap_or((item, ""));
    path.replace(CLOSURE, "")
}

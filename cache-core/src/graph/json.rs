//! The graph for programs to read.

use serde_json::{Value, json};

use super::{Direction, Graph, KnownEvent, Link};

impl Graph {
    /// The graph as one JSON object, on many lines.
    ///
    /// `events` is an array of objects with `name`, `fields`, `place` (`file:line` or `null`), `used_elsewhere`, `emitted` and
    /// `listened_to`. These two, and `unknown_emitted` and `unknown_listened_to` beside `events` for what only an expression
    /// says, are arrays of objects with `function`, `pattern` and `place`.
    #[must_use]
    pub fn to_json(&self) -> String {
        // In the order of the alphabet, which is what `serde_json` makes of it unless a feature of it has it keep this one.
        let graph = json!({
            "events": self.events.iter().map(|event| self.event(event)).collect::<Vec<_>>(),
            "unknown_emitted": self.all(None, Direction::Emits),
            "unknown_listened_to": self.all(None, Direction::Listens),
        });
        format!("{graph:#}")
    }

    fn event(&self, event: &KnownEvent) -> Value {
        json!({
            "emitted": self.all(Some(event.name), Direction::Emits),
            "fields": event.fields,
            "listened_to": self.all(Some(event.name), Direction::Listens),
            "name": event.name,
            "place": event.place.map(|place| place.to_string()),
            "used_elsewhere": event.is_used_elsewhere,
        })
    }

    fn all(&self, event: Option<&str>, direction: Direction) -> Vec<Value> {
        self.of(event, direction).map(link).collect()
    }
}

fn link(link: &Link) -> Value {
    json!({
        "function": link.function,
        "pattern": link.pattern,
        "place": link.place.to_string(),
    })
}

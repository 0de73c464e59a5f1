//! The graph as a person reads it in a terminal.

use std::fmt;

use super::{Direction, Graph, KnownEvent, Link};

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, event) in self.events.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            self.write_event(f, event)?;
        }
        for (direction, what) in [
            (Direction::Emits, "emits what this gives"),
            (Direction::Listens, "listens to what this gives"),
        ] {
            for link in self.of(None, direction) {
                let Link {
                    function,
                    pattern,
                    place,
                    ..
                } = link;
                writeln!(f, "\n{function} {what}: {pattern}  ({place})")?;
            }
        }
        Ok(())
    }
}

impl Graph {
    fn write_event(&self, f: &mut fmt::Formatter<'_>, event: &KnownEvent) -> fmt::Result {
        f.write_str(&event.pattern())?;
        if let Some(place) = event.place {
            write!(f, "  ({place})")?;
        }
        writeln!(f)?;
        for (direction, who, nobody) in [
            (Direction::Emits, "emitted by", "nobody emits it"),
            (Direction::Listens, "listened to by", "nobody listens to it"),
        ] {
            let mut is_known = false;
            for link in self.of(Some(event.name), direction) {
                is_known = true;
                write!(f, "  {who} {}", link.function)?;
                if let Some(prefix) = link.prefix() {
                    write!(f, " as {prefix}")?;
                }
                writeln!(f, "  ({})", link.place)?;
            }
            match (is_known, event.is_used_elsewhere) {
                (true, _) => {}
                (false, true) => writeln!(f, "  {who} others")?,
                (false, false) => writeln!(f, "  {nobody}")?,
            }
        }
        Ok(())
    }
}

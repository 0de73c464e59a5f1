//! Events that lead nowhere.

use std::fmt::Write as _;

use super::{Direction, Graph, KnownEvent};

impl Graph {
    /// The events that some function emits and none listens to, and the other way round, except those with
    /// `#[event(used_elsewhere)]`. An event that no function names is no orphan.
    pub fn orphans(&self) -> impl Iterator<Item = &KnownEvent> {
        self.events.iter().filter(|event| self.is_orphan(event))
    }

    /// Asserts that each event leads somewhere, for a test of a program.
    ///
    /// # Panics
    ///
    /// If there are [orphans](Self::orphans). The message names each one, who uses it and where, and what to write.
    #[track_caller]
    pub fn assert_no_orphans(&self) {
        let orphans: Vec<_> = self.orphans().collect();
        assert!(orphans.is_empty(), "{}", self.said_of(&orphans));
    }

    pub(super) fn is_orphan(&self, event: &KnownEvent) -> bool {
        !event.is_used_elsewhere && self.is_half_used(event)
    }

    /// Whether somebody emits it and nobody listens, or the other way round.
    pub(super) fn is_half_used(&self, event: &KnownEvent) -> bool {
        let is_emitted = self.emitters_of(event.name).next().is_some();
        is_emitted != self.listeners_of(event.name).next().is_some()
    }

    fn said_of(&self, orphans: &[&KnownEvent]) -> String {
        let mut said = match orphans {
            [_] => "an event leads nowhere".to_owned(),
            orphans => format!("{} events lead nowhere", orphans.len()),
        };
        for orphan in orphans {
            self.say(orphan, &mut said);
        }
        said
    }

    fn say(&self, orphan: &KnownEvent, said: &mut String) {
        let pattern = orphan.pattern();
        let is_emitted = self.emitters_of(orphan.name).next().is_some();
        let (missing, used, nobody, who, instead) = if is_emitted {
            let instead = format!(
                "`#[cached(.., invalidate_on = {pattern})]` where it changes what is cached"
            );
            (
                Direction::Listens,
                Direction::Emits,
                "nobody listens to it",
                "emitted by",
                instead,
            )
        } else {
            let instead =
                format!("`#[invalidates({pattern})]` or `event!({pattern})` where it happens");
            (
                Direction::Emits,
                Direction::Listens,
                "nobody emits it",
                "listened to by",
                instead,
            )
        };
        let mut line = |text: String| {
            said.push_str("\n  ");
            said.push_str(&text);
        };
        let place = orphan.place.map(|place| format!(" ({place})"));
        line(format!(
            "`{pattern}`{}: {nobody}",
            place.as_deref().unwrap_or_default()
        ));
        for link in self.of(Some(orphan.name), used) {
            line(format!("  {who} `{}` ({})", link.function, link.place));
        }
        for link in self.of(None, missing) {
            line(format!(
                "  perhaps by `{}` ({}), which says only `{}`",
                link.function, link.place, link.pattern
            ));
        }
        let elsewhere = if place.is_some() {
            ", or `#[event(used_elsewhere)]` above it where that is not seen from here"
        } else {
            ""
        };
        let _ = write!(said, "\n    write {instead}{elsewhere}");
    }
}

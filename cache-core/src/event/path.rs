//! An event, or the first fields of one, as text; and its tags.
//!
//! Two kinds of tags exist for every path: `U`, "something at or below this changed", and `D`, "everything below
//! this is void". An entry that depends on a path depends on its `U`, and on the `D` of every shorter path; a change
//! at a path bumps its `D`, its `U`, and the `U` of every shorter path. So a change is seen from above, from below
//! and at its place, and nowhere else.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use smallvec::SmallVec;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::key::KeyWriter;

/// A longer text is cut and completed with a hash, as keys of entries are.
const LONGEST_TEXT: usize = 200;
const CUT_TEXT: usize = 160;

/// The name of a tag: `UserChanged:7` for "the user 7 changed", `UserChanged/7` for "all below the user 7 is void".
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag(Arc<str>);

impl Tag {
    /// A tag from another process.
    pub(crate) fn from_name(name: &str) -> Self {
        Self(name.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The name of the event that it belongs to.
    pub(crate) fn event(&self) -> &str {
        self.0.split([CHANGED, VOID]).next().unwrap_or_default()
    }

    /// Whether it is a `U`.
    pub(crate) fn is_of_change(&self) -> bool {
        self.0.find([CHANGED, VOID]) == self.0.find(CHANGED)
    }

    /// Of a change with this among its tags, what it is of, where this is its own `D`: `UserChanged:7`, or `UserChanged`.
    pub(crate) fn emitted(&self) -> Option<String> {
        let change = self.change_at()?;
        Some(
            change
                .strip_suffix(CHANGED)
                .map(str::to_owned)
                .unwrap_or(change),
        )
    }

    /// Of a `D`, the name of the `U` of the same path: who depends on that hears of everything below it.
    pub(crate) fn change_at(&self) -> Option<String> {
        let (event, path) = self.0.split_once(VOID)?;
        (!event.contains(CHANGED)).then(|| format!("{event}{CHANGED}{path}"))
    }

    /// Whether it is of the path of another one's name, or of one below it.
    pub(crate) fn is_at_or_below(&self, name: &str) -> bool {
        let rest = self.0.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(',') || name.ends_with(CHANGED))
    }

    /// The tags that a change of everything under an event's name bumps.
    pub(crate) fn of_whole_event(name: &str) -> [Self; 2] {
        [tag(name, VOID, ""), tag(name, CHANGED, "")]
    }
}

/// Maps of tags may pass on what they are given.
impl Hash for Tag {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(xxh3_64(self.0.as_bytes()));
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const CHANGED: char = ':';
const VOID: char = '/';

/// Whether an event may be called so: a part of keys, and of messages, between separators.
pub(super) const fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if matches!(bytes[at], 0..=b' ' | 0x7F | b':' | b'/' | b'{' | b'}') {
            return false;
        }
        at += 1;
    }
    !bytes.is_empty()
}

/// An event, or the first fields of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    name: &'static str,
    /// The text of no field, of the first, of the first two, ..
    texts: SmallVec<[String; 3]>,
}

impl Path {
    /// A path of `count` fields, of which `write` writes the first so many.
    pub(super) fn new(
        name: &'static str,
        count: usize,
        write: &dyn Fn(usize, &mut KeyWriter),
    ) -> Self {
        let text = |count| {
            let mut key = KeyWriter::for_text();
            write(count, &mut key);
            shortened(key.into_text())
        };
        Self {
            name,
            texts: (0..=count).map(text).collect(),
        }
    }

    /// What an entry depends on that depends on this.
    pub(crate) fn watched(&self) -> impl Iterator<Item = Tag> {
        let (own, above) = self.split();
        let above = above.iter().map(|text| tag(self.name, VOID, text));
        std::iter::once(tag(self.name, CHANGED, own)).chain(above)
    }

    /// What is bumped when this changes.
    pub(crate) fn bumped(&self) -> impl Iterator<Item = Tag> {
        let (own, _) = self.split();
        let changed = self.texts.iter().rev();
        std::iter::once(tag(self.name, VOID, own))
            .chain(changed.map(|text| tag(self.name, CHANGED, text)))
    }

    fn split(&self) -> (&str, &[String]) {
        match self.texts.split_last() {
            Some((own, above)) => (own, above),
            None => ("", &[]),
        }
    }
}

fn tag(name: &str, kind: char, text: &str) -> Tag {
    let mut full = String::with_capacity(name.len() + 1 + text.len());
    full.push_str(name);
    full.push(kind);
    full.push_str(text);
    Tag(full.into())
}

fn shortened(text: String) -> String {
    if text.len() <= LONGEST_TEXT {
        return text;
    }
    let cut = &text[..text.floor_char_boundary(CUT_TEXT)];
    format!("{cut}#{:032x}", xxh3_128(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(fields: &[&str]) -> Path {
        Path::new("E", fields.len(), &|count, key| {
            for field in &fields[..count] {
                key.text(field);
            }
        })
    }

    #[test]
    fn a_path_that_begins_with_the_digits_of_another_one_is_not_below_it() {
        let tag = Tag::from_name("E:12,6");
        for above in ["E:", "E:12", "E:12,6"] {
            assert!(tag.is_at_or_below(above), "{above}");
        }
        for other in ["E:1", "E:2", "E:12,", "E:12,61", "F:"] {
            assert!(!tag.is_at_or_below(other), "{other}");
        }
    }

    #[test]
    fn a_change_is_heard_by_those_at_above_and_below_it_and_by_nobody_else() {
        let values = ["a", "b"];
        let mut paths: Vec<Vec<&str>> = vec![vec![]];
        for depth in 0..3 {
            let longer = paths.iter().filter(|path| path.len() == depth);
            let longer: Vec<_> = longer
                .flat_map(|path| values.map(|value| [path.as_slice(), &[value]].concat()))
                .collect();
            paths.extend(longer);
        }
        for watched in &paths {
            for changed in &paths {
                let watches: Vec<_> = path(watched).watched().collect();
                let is_heard = path(changed).bumped().any(|tag| watches.contains(&tag));
                let is_related = watched.starts_with(changed) || changed.starts_with(watched);
                assert_eq!(is_heard, is_related, "{watched:?} {changed:?}");
            }
        }
    }

    #[test]
    fn a_name_has_none_of_what_separates_it_from_others() {
        for name in ["UserChanged", "user.changed", "r#type", "geändert"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            "row renamed",
            "a:b",
            "a/b",
            ":a",
            "a\nb",
            "{a}",
            "a\u{7f}",
        ] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_long_field_is_cut_and_told_apart_by_its_hash() {
        let tags = ["x".repeat(300), "x".repeat(301)].map(|text| {
            let tags: Vec<_> = path(&[&text]).watched().collect();
            tags[0].clone()
        });
        assert_ne!(tags[0], tags[1]);
        assert!(tags[0].as_str().len() < 210, "{:?}", tags[0]);
    }

    #[test]
    fn a_whole_event_is_the_path_without_fields() {
        let whole: Vec<_> = path(&[]).bumped().collect();
        assert_eq!(whole, Tag::of_whole_event("E"));
        assert_eq!(path(&["7"]).watched().next().unwrap().event(), "E");
    }
}

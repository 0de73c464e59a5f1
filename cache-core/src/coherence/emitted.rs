//! What made entries void: an event, emitted by which function, in which process, when. The latest of these are kept for
//! whoever asks; a cell has the number of the one that it was last invalidated by.
//!
//! Only what something depended on here is noted: whatever others tell, and however many tags they tell of, what is kept
//! is bounded by [`MOST`] events with a few names each.

use std::{any::type_name, collections::VecDeque, fmt, panic::Location};

use smallvec::SmallVec;

use crate::{clock::Nanos, function, lock::Mutex};

/// How many events are kept.
const MOST: usize = 4_096;
/// Names of one event: more say nothing.
const MOST_NAMES: usize = 4;
/// Of all names of one event together, in bytes.
const LONGEST: usize = 200;
/// Of the name of a process, in bytes.
const LONGEST_PROCESS: usize = 128;
/// Between names: in none that the compiler gives.
const SEPARATOR: char = '|';
/// What stands for no name, in messages.
pub(crate) const NOBODY: &str = "-";

/// Who emits an event: a function, or a line of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitter(Name);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Function(&'static str),
    Line(&'static Location<'static>),
    /// By another process.
    Told(Box<str>),
}

impl Emitter {
    /// The function that a closure of its own stands for, which its expansion has.
    pub fn of<I>(_closure: &I) -> Self {
        Self(Name::Function(function::path(type_name::<I>())))
    }

    /// The line that calls the caller.
    #[track_caller]
    pub(crate) fn here() -> Self {
        Self(Name::Line(Location::caller()))
    }
}

impl fmt::Display for Emitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Function(name) => f.write_str(name),
            Name::Line(line) => write!(f, "{}:{}", line.file(), line.line()),
            Name::Told(name) => f.write_str(name),
        }
    }
}

/// Those who may have emitted an event, each once: more than one where several events went as one. Nobody where that is
/// not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Emitters(SmallVec<[Emitter; 1]>);

impl Emitters {
    /// As others are told of it.
    pub(crate) fn told(&self) -> Option<String> {
        let mut told = String::new();
        for emitter in &self.0 {
            if !told.is_empty() {
                told.push(SEPARATOR);
            }
            told += &emitter.to_string();
        }
        is_readable(&told, LONGEST).then_some(told)
    }

    /// As it was told by another process, which may be of another version, or nobody that one should trust.
    fn read(told: &str) -> Self {
        if told == NOBODY || !is_readable(told, LONGEST) {
            return Self::default();
        }
        let names = told.split(SEPARATOR).filter(|name| !name.is_empty());
        let emitters: SmallVec<_> = names.map(|name| Emitter(Name::Told(name.into()))).collect();
        if emitters.len() > MOST_NAMES {
            return Self::default();
        }
        Self(emitters)
    }

    /// One of these.
    pub(crate) fn any<'a>(all: impl Iterator<Item = &'a Emitter>) -> Self {
        let mut any = Self::default();
        any.add(all);
        any
    }

    /// One of these, or of others; where either is nobody in particular, so is that.
    fn or(&mut self, others: &Self) {
        if others.0.is_empty() {
            self.0.clear();
        }
        if !self.0.is_empty() {
            self.add(others.0.iter());
        }
    }

    fn add<'a>(&mut self, others: impl Iterator<Item = &'a Emitter>) {
        for other in others {
            if !self.0.contains(other) {
                self.0.push(other.clone());
            }
            if self.0.len() > MOST_NAMES {
                return self.0.clear();
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Emitter> {
        self.0.iter()
    }
}

impl From<Emitter> for Emitters {
    fn from(emitter: Emitter) -> Self {
        Self(SmallVec::from_iter([emitter]))
    }
}

/// Whether a text can be shown to people.
fn is_readable(text: &str, longest: usize) -> bool {
    !text.is_empty() && text.len() <= longest && !text.contains(char::is_control)
}

/// An event as it was emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Emitted {
    pub(crate) by: Emitters,
    /// Nothing where it is this one.
    pub(crate) process: Option<Box<str>>,
    /// When it was emitted here, or heard.
    pub(crate) at: Nanos,
}

impl Emitted {
    /// By this process.
    pub(crate) fn here(by: Emitter, at: Nanos) -> Self {
        Self {
            by: by.into(),
            process: None,
            at,
        }
    }

    /// By another process. Nothing where it has no name.
    pub(super) fn elsewhere(process: &str, told: &str, at: Nanos) -> Option<Self> {
        is_readable(process, LONGEST_PROCESS).then(|| Self {
            by: Emitters::read(told),
            process: Some(process.into()),
            at,
        })
    }

    /// What stands for all of these. Nothing where one of them is not known.
    pub(super) fn all<'a>(mut all: impl Iterator<Item = &'a Option<Self>>) -> Option<Self> {
        let mut whole = all.next()?.clone()?;
        for other in all {
            let other = other.as_ref()?;
            whole.by.or(&other.by);
            whole.at = whole.at.max(other.at);
        }
        Some(whole)
    }
}

/// The latest events that made something void here.
#[derive(Debug, Default)]
pub(super) struct Causes(Mutex<Kept>);

/// By their numbers, which are never zero.
#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Emitted>,
    /// How many came before them.
    forgotten: u64,
}

/// The number of no event.
pub(super) const UNKNOWN: u64 = 0;

impl Causes {
    pub(super) fn note(&self, emitted: Emitted) -> u64 {
        let mut kept = self.0.lock();
        let forgotten = (kept.events.len() == MOST).then(|| kept.events.pop_front());
        kept.forgotten += u64::from(forgotten.is_some());
        kept.events.push_back(emitted);
        kept.forgotten + kept.events.len() as u64
    }

    /// Nothing where too many came behind it.
    pub(super) fn get(&self, number: u64) -> Option<Emitted> {
        let kept = self.0.lock();
        let place = number.checked_sub(kept.forgotten)?.checked_sub(1)?;
        kept.events.get(usize::try_from(place).ok()?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heard(told: &str) -> Emitted {
        Emitted::elsewhere("there", told, 1).unwrap()
    }

    fn names(emitters: &Emitters) -> Vec<String> {
        emitters.iter().map(ToString::to_string).collect()
    }

    trait Renames {
        fn name() -> Emitter;
    }

    impl<T> Renames for Option<T> {
        fn name() -> Emitter {
            Emitter::of(&|| ())
        }
    }

    #[test]
    fn a_function_is_named_with_its_type_and_trait_and_a_line_with_its_file() {
        let name = Option::<u8>::name().to_string();
        assert!(
            name.starts_with('<') && name.ends_with("::Renames>::name"),
            "{name}"
        );
        assert_eq!(names(&Emitters::read(&name)), [name]);
        let line = Emitter::here().to_string();
        assert!(line.contains("emitted.rs:"), "{line}");
    }

    #[test]
    fn what_nobody_could_read_names_nobody() {
        let long = "x".repeat(LONGEST + 1);
        for told in [
            "",
            "-",
            "|",
            "||||",
            "a\tb",
            "\u{1b}[2Jb",
            "a|b|c|d|e",
            &long,
        ] {
            assert_eq!(heard(told).by, Emitters::default(), "{told:?}");
        }
        for process in ["", "a\u{7}", &long] {
            assert_eq!(Emitted::elsewhere(process, "a", 1), None, "{process:?}");
        }
    }

    #[test]
    fn of_many_events_that_go_as_one_the_names_are_told_while_they_are_few() {
        let named = |name: &str| Some(heard(name));
        let all = |all: &[Option<Emitted>]| Emitted::all(all.iter()).map(|it| it.by.told());
        let few = [named("a"), named("b|a"), named("a")];
        assert_eq!(all(&few), Some(Some("a|b".to_owned())));
        assert_eq!(all(&[named("a"), None]), None);
        assert_eq!(all(&[named("a"), named("-"), named("b")]), Some(None));
        assert_eq!(all(&["a|b", "c|d", "e", "f"].map(named)), Some(None));
        assert_eq!(
            all(&["a".repeat(150), "b".repeat(50)].map(|name| named(&name))),
            Some(None)
        );
        assert_eq!(all(&[]), None);
    }

    #[test]
    fn a_million_events_leave_the_latest() {
        let causes = Causes::default();
        for at in 1..=1_000_000 {
            let number = causes.note(Emitted { at, ..heard("a") });
            assert_eq!(number, at);
        }
        let kept = causes.0.lock().events.capacity();
        assert!(kept <= 2 * MOST, "{kept}");
        let oldest = 1_000_000 - MOST as u64 + 1;
        for at in [oldest, 1_000_000] {
            assert_eq!(causes.get(at).map(|emitted| emitted.at), Some(at));
        }
        for number in [UNKNOWN, 1, oldest - 1, 1_000_001, u64::MAX] {
            assert_eq!(causes.get(number), None, "{number}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_told_is_bounded(process: String, told: String) {
            if let Some(emitted) = Emitted::elsewhere(&process, &told, 1) {
                let names = names(&emitted.by);
                prop_assert!(names.len() <= MOST_NAMES && names.concat().len() <= LONGEST);
                let process = emitted.process.unwrap();
                prop_assert!(process.len() <= LONGEST_PROCESS);
            }
        }
    }
}

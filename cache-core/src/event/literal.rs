//! What expansions make of the literals of events. Two of them never run: they are there so that the compiler
//! reads the user's own struct literal, and says itself what is wrong with it.

use super::{Event, Named, Path, Prefix, path};

/// What an event is called, and its fields.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    name: &'static str,
    fields: &'static [&'static str],
}

impl Described {
    #[cfg(feature = "graph")]
    pub(crate) const fn name(self) -> &'static str {
        self.name
    }

    pub(crate) const fn fields(self) -> &'static [&'static str] {
        self.fields
    }
}

/// Asserts that the name of an event can be a part of keys and messages.
pub(super) const fn assert_name<E: Event>() {
    assert!(
        path::is_name(E::NAME),
        "`Event::NAME` has at least one character, and no space, control character or one of `:/{{}}`: write for instance \
         `UserChanged`"
    );
}

/// Describes the event of a literal. This is the one place that asks whether it is an event.
#[must_use]
pub const fn describe<E: Event>(_never: fn() -> E) -> Described {
    const { assert_name::<E>() };
    Described {
        name: E::NAME,
        fields: E::FIELDS,
    }
}

/// Asks whether a value is an event.
pub fn whole<E: Event>(event: E) -> E {
    event
}

/// The prefix of these fields, up to the first that is not named. `never` holds the literal with the same fields.
pub fn prefix<E>(event: Described, _never: impl FnOnce() -> E, named: &[Named<'_>]) -> Prefix<E> {
    let in_order = event
        .fields
        .iter()
        .map_while(|field| named.iter().find(|(name, _)| name == field))
        .map(|(_, write)| *write)
        .collect::<Vec<_>>();
    let path = Path::new(event.name, in_order.len(), &|count, key| {
        for write in &in_order[..count] {
            write(key);
        }
    });
    Prefix::new(path)
}

/// The fields that a literal leaves out.
#[must_use]
pub fn rest<T>() -> T {
    unreachable!("the literal is there to be read by the compiler")
}

/// The value of a field that a literal has only a reference to.
#[must_use]
pub fn owned<T>(_field: &T) -> T {
    rest()
}

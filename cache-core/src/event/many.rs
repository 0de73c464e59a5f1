//! Everything that stands for events: one, some, or perhaps none.

use super::{Event, Paths, Prefix};

/// One or several events: an event, a [prefix](Prefix) of one, and a reference to one, and `Option`s,
/// `Vec`s, slices, arrays and tuples of such.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "no `#[derive(Event)]`",
    note = "events are types with `#[derive(cache_core::Event)]`, prefixes by `event!(..)`, and `Option`s, `Vec`s, \
            arrays and tuples of them"
)]
pub trait Events {
    /// Adds each of the events.
    #[doc(hidden)]
    fn add_to(&self, paths: &mut Paths<'_>);
}

impl<E: Event> Events for E {
    fn add_to(&self, paths: &mut Paths<'_>) {
        paths.add(self);
    }
}

impl<E> Events for Prefix<E> {
    fn add_to(&self, paths: &mut Paths<'_>) {
        paths.add_path(&self.path);
    }
}

impl<E: Events> Events for Option<E> {
    fn add_to(&self, paths: &mut Paths<'_>) {
        if let Some(events) = self {
            events.add_to(paths);
        }
    }
}

impl<E: Events> Events for [E] {
    fn add_to(&self, paths: &mut Paths<'_>) {
        for events in self {
            events.add_to(paths);
        }
    }
}

impl<E: Events, const N: usize> Events for [E; N] {
    fn add_to(&self, paths: &mut Paths<'_>) {
        self.as_slice().add_to(paths);
    }
}

impl<E: Events> Events for Vec<E> {
    fn add_to(&self, paths: &mut Paths<'_>) {
        self.as_slice().add_to(paths);
    }
}

macro_rules! tuples {
    ($($name:ident)*) => {
        impl<$($name: Events),*> Events for ($($name,)*) {
            fn add_to(&self, paths: &mut Paths<'_>) {
                #[expect(non_snake_case, reason = "a variable for each type parameter")]
                let ($($name,)*) = self;
                $($name.add_to(paths);)*
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D F);
tuples!(A B C D F G);
tuples!(A B C D F G H);
tuples!(A B C D F G H I);

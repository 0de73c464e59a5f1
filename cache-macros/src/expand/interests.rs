//! The events that kill an entry: those that the arguments name, and those that the value does.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::{Pat, spanned::Spanned};

use super::{Context, at, batch::element};
use crate::{
    argument::Argument,
    literal::{Events, Mark, Scope},
};

impl Context<'_> {
    /// The closure that names the events of a call, or `None`.
    pub(super) fn interests(&self) -> TokenStream {
        let mixed = Span::mixed_site();
        let listened = self.model.options.invalidate_on.as_ref();
        let literals = listened.map_or(&[][..], |listened| &listened.value.literals);
        if literals.is_empty() {
            return quote_spanned!(mixed=> ::core::option::Option::None);
        }
        let names = Argument::names_in_caller(&self.model.arguments);
        let events: Vec<_> = literals.iter().cloned().map(Events::Literal).collect();
        let added = added(&events, &names);
        quote_spanned! {mixed=>
            ::core::option::Option::Some(&|__cached_events: &mut __cached::Interests| { #added })
        }
    }

    /// The closure that names the events of one key of a batch, or `None`.
    pub(super) fn interests_of(&self, name: &Ident) -> TokenStream {
        let mixed = Span::mixed_site();
        let listened = self.model.options.invalidate_on.as_ref();
        let literals = listened.map_or(&[][..], |listened| &listened.value.literals);
        if literals.is_empty() {
            return quote_spanned!(mixed=> ::core::option::Option::None);
        }
        let mut names = Argument::names_in_caller(&self.model.arguments);
        names.push((name.clone(), false));
        let events: Vec<_> = literals.iter().cloned().map(Events::Literal).collect();
        let (added, element) = (added(&events, &names), element(name));
        quote_spanned! {mixed=>
            ::core::option::Option::Some(&|__cached_element, __cached_events| { #element #added })
        }
    }

    /// The call that takes the closure which names the events of a value.
    pub(super) fn events_of(&self) -> Option<TokenStream> {
        let listened = self.model.options.invalidate_on.as_ref()?;
        let by_value = listened.value.by_value.as_ref()?;
        let input = by_value.closure.inputs.first()?;
        let names: Vec<_> = bound(input).map(|name| (name, true)).into_iter().collect();
        let added = added(&by_value.events, &names);
        let place = at(listened.name.span());
        let events_of = Ident::new("events_of", place);
        let closure = quote_spanned!(at(input.span())=> |#input, __cached_events| { #added });
        Some(quote_spanned!(place=> let __cached_keep = __cached_keep.#events_of(#closure);))
    }
}

/// The name by which a closure knows the value.
fn bound(input: &Pat) -> Option<Ident> {
    match input {
        Pat::Ident(name) => Some(name.ident.clone()),
        Pat::Type(typed) => bound(&typed.pat),
        _ => None,
    }
}

/// Adds each of the events. The inner closure gives something that a user's own `return` cannot give: half of the
/// events would be too few.
fn added(events: &[Events], names: &[(Ident, bool)]) -> TokenStream {
    let scope = Scope {
        mark: Mark::ListenedTo,
        names,
    };
    let into = quote_spanned!(Span::mixed_site()=> __cached::Interests);
    let added = events.iter().map(|events| events.added(&scope, &into));
    quote_spanned! {Span::mixed_site()=>
        use __cached::Unmarked as _;
        let __cached::Written = (|| -> __cached::Written {
            #(#added)*
            __cached::Written
        })();
    }
}

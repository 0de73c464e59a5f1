//! The load: where it runs, and what it holds of the arguments.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned;

use super::{Context, at, names::held};
use crate::model::{Mode, Model};

impl Context<'_> {
    pub(super) fn load(&self) -> TokenStream {
        let mixed = Span::mixed_site();
        let probed = (self.model.mode == Mode::Probed).then(|| self.probed_mode());
        let mode = self.mode(mixed);
        let signature = &self.model.function.signature;
        let place = match &signature.asyncness {
            Some(asyncness) => asyncness.span(),
            None => signature.fn_token.span(),
        };
        let future = quote_spanned!(at(place)=> async move);
        let holds = self.holds();
        let body = self.body();
        let (launch, load) = if holds.is_empty() {
            ("launch", quote_spanned!(mixed=> #future #body))
        } else {
            let make = quote_spanned!(mixed=> move || { #holds #future #body });
            ("launch_held", make)
        };
        let launch = Ident::new(launch, at(place));
        quote_spanned! {mixed=>
            {
                #probed
                #mode.#launch(__cached_missed, &__cached_keep, #load)
            }
        }
    }

    fn mode(&self, place: Span) -> TokenStream {
        match self.model.mode {
            Mode::Inline => quote_spanned!(at(place)=> __cached::Inline),
            Mode::Detached => quote_spanned!(at(place)=> __cached::Detached),
            Mode::Probed => quote_spanned!(at(place)=> __cached_mode),
        }
    }

    /// Detached, unless something behind a reference cannot be owned.
    fn probed_mode(&self) -> TokenStream {
        let model = self.model;
        let references = model
            .arguments
            .iter()
            .filter(|argument| argument.referent().is_some());
        let probes = references.map(|argument| {
            let (outer, cfgs) = (&argument.outer, argument.cfgs());
            quote_spanned! {Span::mixed_site()=>
                #(#cfgs)*
                let __cached_mode = __cached_mode.__cached_and((&&__cached::HoldProbe::of(#outer)).__cached_mode());
            }
        });
        quote_spanned! {Span::mixed_site()=>
            let __cached_mode = {
                use __cached::{Mode as _, ProbeBorrow as _, ProbeHold as _};
                let __cached_mode = __cached::Detached;
                #(#probes)*
                __cached_mode
            };
        }
    }

    /// Gives the load what it needs of the references among the arguments.
    pub(super) fn holds(&self) -> TokenStream {
        let Model {
            function,
            arguments,
            holds_self,
            ..
        } = self.model;
        let mut holds = TokenStream::new();
        if let Some(receiver) = function.signature.receiver().filter(|_| *holds_self) {
            let (place, token) = (receiver.span(), &receiver.self_token);
            let mode = self.mode(place);
            holds.extend(quote_spanned!(at(place)=> let __cached_held_self = #mode.hold(#token);));
        }
        let held_ones = arguments.iter().enumerate();
        for (position, argument) in held_ones.filter(|(_, argument)| self.is_held(argument)) {
            let (place, held, cfgs) = (
                argument.ty.span(),
                held(position, argument),
                argument.cfgs(),
            );
            let (mode, outer) = (self.mode(place), argument.outer_at(place));
            holds.extend(quote_spanned!(at(place)=> #(#cfgs)* let #held = #mode.hold(#outer);));
        }
        holds
    }

    /// The names of what it has of them.
    pub(super) fn held_ones(&self) -> Vec<(Ident, TokenStream)> {
        let Model {
            function,
            arguments,
            holds_self,
            ..
        } = self.model;
        let receiver = function.signature.receiver().filter(|_| *holds_self);
        let own = receiver.map(|receiver| {
            let place = at(receiver.span());
            (Ident::new("__cached_held_self", place), TokenStream::new())
        });
        let held_ones = arguments.iter().enumerate();
        let held_ones = held_ones.filter(|(_, argument)| self.is_held(argument));
        let held_ones = held_ones.map(|(position, argument)| {
            let cfgs = argument.cfgs();
            (
                held(position, argument),
                quote_spanned!(Span::mixed_site()=> #(#cfgs)*),
            )
        });
        own.into_iter().chain(held_ones).collect()
    }

    /// What is awaited for the value.
    pub(super) fn body(&self) -> TokenStream {
        let bindings = self.bindings();
        let body = self.output.body(&self.model.function);
        quote_spanned!(Span::mixed_site()=> { #bindings #body })
    }
}

//! The load: where it runs, what it holds of the arguments, and the user's body in it.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned;

use super::{Context, names::held};
use crate::{model::Mode, spans};

impl Context<'_> {
    pub(super) fn load(&self) -> TokenStream {
        let Self { model, private, .. } = self;
        let mixed = Span::mixed_site();
        let probed = (model.mode == Mode::Probed).then(|| self.probed_mode());
        let mode = match model.mode {
            Mode::Inline => quote_spanned!(mixed=> #private::Inline),
            Mode::Detached => quote_spanned!(mixed=> #private::Detached),
            Mode::Probed => quote_spanned!(mixed=> __cached_mode),
        };
        let place = model.function.signature.asyncness.span();
        let launch = Ident::new("launch", spans::at(place));
        let future = quote_spanned!(spans::at(place)=> async move);
        let holds = self.holds(&mode);
        let body = self.body();
        quote_spanned! {mixed=>
            #probed
            #mode.#launch(__cached_missed, __cached_keep, move || { #holds #future #body }).await
        }
    }

    /// Detached, unless something behind a reference cannot be owned.
    fn probed_mode(&self) -> TokenStream {
        let Self { model, private, .. } = self;
        let references = model
            .arguments
            .iter()
            .filter(|argument| argument.referent().is_some());
        let probes = references.map(|argument| {
            let (outer, cfgs) = (&argument.outer, argument.cfgs());
            quote_spanned! {Span::mixed_site()=>
                #(#cfgs)*
                let __cached_mode = __cached_mode.and((&&#private::HoldProbe::of(#outer)).mode());
            }
        });
        quote_spanned! {Span::mixed_site()=>
            let __cached_mode = {
                use #private::{Mode as _, ProbeBorrow as _, ProbeHold as _};
                let __cached_mode = #private::Detached;
                #(#probes)*
                __cached_mode
            };
        }
    }

    fn holds(&self, mode: &TokenStream) -> TokenStream {
        let mut holds = TokenStream::new();
        if let Some(receiver) = self
            .model
            .function
            .signature
            .receiver()
            .filter(|_| self.model.holds_self)
        {
            let (place, token) = (receiver.span(), &receiver.self_token);
            let mode = spans::all_at(place, mode.clone());
            holds.extend(
                quote_spanned!(spans::at(place)=> let __cached_held_self = #mode.hold(#token);),
            );
        }
        for argument in self
            .model
            .arguments
            .iter()
            .filter(|argument| self.is_held(argument))
        {
            let (place, held, cfgs) = (argument.ty.span(), held(argument), argument.cfgs());
            let outer = Ident::new(
                &argument.outer.to_string(),
                argument.outer.span().located_at(place),
            );
            let mode = spans::all_at(place, mode.clone());
            holds.extend(
                quote_spanned!(spans::at(place)=> #(#cfgs)* let #held = #mode.hold(#outer);),
            );
        }
        holds
    }

    /// The user's statements between the user's braces, and before them what they need.
    ///
    /// The first statement never runs. It tells the compiler the type of the block, so that an error
    /// in the body reads as it would in the function.
    fn body(&self) -> TokenStream {
        let output = &self.output;
        let edge = quote_spanned! {spans::at(self.output_span)=>
            #[allow(unreachable_code)]
            if false {
                let __cached_edge: #output = loop {};
                return __cached_edge;
            }
        };
        let bindings = self.bindings();
        let mut body = Group::new(Delimiter::Brace, self.model.function.statements.clone());
        body.set_span(self.model.function.braces);
        quote_spanned!(Span::mixed_site()=> { #edge #bindings #body })
    }
}

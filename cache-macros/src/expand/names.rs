//! The names of the arguments, where a pattern or a held copy stands between them and the signature.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};

use super::{Context, at, batch::elements_of};
use crate::{
    argument::{Argument, is_underscored},
    model::Mode,
    pattern,
    self_rename::RENAMED,
};

impl Context<'_> {
    /// Whether the load has a copy of what the argument refers to.
    pub(super) fn is_held(&self, argument: &Argument) -> bool {
        self.model.mode != Mode::Inline
            && argument.referent().is_some()
            && !self.is_elements(argument)
    }

    /// Gives the arguments the names that the body knows. Also those that have them already: as variables
    /// of the load's own, and not what it has captured, the compiler speaks of them as of arguments.
    pub(super) fn bindings(&self) -> TokenStream {
        let mixed = Span::mixed_site();
        let mut bindings = TokenStream::new();
        if self.model.holds_self {
            let renamed = Ident::new(RENAMED, mixed);
            bindings.extend(
                quote_spanned!(mixed=> let #renamed = __cached::HeldArgument::get(&__cached_held_self);),
            );
        }
        for (position, argument) in self.model.arguments.iter().enumerate() {
            let outer = argument.outer.to_token_stream();
            let value = if self.is_elements(argument) {
                elements_of(argument)
            } else if self.is_held(argument) {
                let held = held(position, argument);
                quote_spanned!(mixed=> __cached::HeldArgument::get(&#held))
            } else {
                outer.clone()
            };
            let pattern = argument
                .pattern
                .as_ref()
                .filter(|_| !argument.is_bound_in_body);
            let pattern = pattern.map_or(outer, ToTokens::into_token_stream);
            let attributes = argument.inner_attributes();
            let is_silent = !self.is_held(argument) && argument.names.iter().any(is_underscored);
            let allow = is_silent
                .then(|| quote_spanned!(mixed=> #[allow(clippy::no_effect_underscore_binding)]));
            bindings.extend(quote_spanned!(mixed=> #(#attributes)* #allow let #pattern = #value;));
            bindings.extend(self.uses(position, argument));
        }
        bindings
    }

    /// What the expansion has read of the argument, so that it is not unused where the body does not read it.
    fn uses(&self, position: usize, argument: &Argument) -> TokenStream {
        if argument.is_bound_in_body {
            return TokenStream::new();
        }
        let is_part = self.model.is_part(position);
        let names = argument
            .names
            .iter()
            .filter(|name| !is_underscored(name) && (is_part || self.model.is_mentioned(name)));
        let uses = names.map(|name| {
            let cfgs = argument.cfgs();
            quote_spanned!(Span::mixed_site()=> #(#cfgs)* let _ = &#name;)
        });
        uses.collect()
    }

    /// The names in patterns, for the expressions in options that mention them.
    pub(super) fn peeked(&self) -> TokenStream {
        let is_mentioned = |name| self.model.is_mentioned(name);
        let peeked = self.model.arguments.iter().filter_map(|argument| {
            let is_hidden = !argument.names.contains(&argument.outer)
                && argument.names.iter().any(is_mentioned);
            is_hidden.then(|| peek(argument))?
        });
        peeked.collect()
    }
}

/// The names in the pattern of an argument, as references to what the body will know.
pub(crate) fn peek(argument: &Argument) -> Option<TokenStream> {
    let mixed = Span::mixed_site();
    let mut pattern = argument.pattern.clone()?;
    let (outer, cfgs) = (&argument.outer, argument.cfgs());
    let cfgs: Vec<_> = cfgs.collect();
    let referents = pattern::by_reference(&mut pattern);
    let mut peeked = quote_spanned! {mixed=>
        #(#cfgs)*
        #[allow(unused_variables)]
        let #pattern = &#outer;
    };
    for (name, pattern) in referents {
        peeked.extend(quote_spanned! {mixed=>
            #(#cfgs)*
            #[allow(unused_mut, unused_variables)]
            let #pattern = *#name;
        });
    }
    Some(peeked)
}

/// By position, as a `macro_rules!` can give two arguments names that read the same.
pub(super) fn held(position: usize, argument: &Argument) -> Ident {
    let place = at(argument.outer.span());
    format_ident!("__cached_held{position}", span = place)
}

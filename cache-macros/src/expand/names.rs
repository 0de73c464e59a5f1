//! The names of the arguments, where a pattern or a held copy stands between them and the signature.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::ext::IdentExt;

use super::Context;
use crate::{
    argument::{Argument, is_underscored},
    model::Mode,
    self_rename::RENAMED,
};

impl Context<'_> {
    /// Whether the load has a copy of what the argument refers to.
    pub(super) fn is_held(&self, argument: &Argument) -> bool {
        self.model.mode != Mode::Inline && argument.referent().is_some()
    }

    /// Gives the arguments the names that the body knows. Also those that have them already: as variables
    /// of the load's own, and not what it has captured, the compiler speaks of them as of arguments.
    pub(super) fn bindings(&self) -> TokenStream {
        let mixed = Span::mixed_site();
        let mut bindings = TokenStream::new();
        if self.model.holds_self {
            let renamed = Ident::new(RENAMED, mixed);
            bindings.extend(
                quote_spanned!(mixed=> let #renamed = __cached::Held::get(&__cached_held_self);),
            );
        }
        for (position, argument) in self.model.arguments.iter().enumerate() {
            let outer = argument.outer.to_token_stream();
            let value = if self.is_held(argument) {
                let held = held(argument);
                quote_spanned!(mixed=> __cached::Held::get(&#held))
            } else {
                outer.clone()
            };
            let pattern = argument
                .pattern
                .as_ref()
                .map_or(outer, ToTokens::into_token_stream);
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
            let (outer, cfgs) = (&argument.outer, argument.cfgs());
            let is_hidden =
                !argument.names.contains(outer) && argument.names.iter().any(is_mentioned);
            let pattern = argument.pattern.as_ref().filter(|_| is_hidden)?;
            let pattern = by_reference(pattern.to_token_stream());
            Some(quote_spanned! {Span::mixed_site()=>
                #(#cfgs)*
                #[allow(unused_variables)]
                let #pattern = &#outer;
            })
        });
        peeked.collect()
    }
}

pub(super) fn held(argument: &Argument) -> Ident {
    format_ident!(
        "__cached_held_{}",
        argument.outer.unraw(),
        span = Span::mixed_site().located_at(argument.outer.span())
    )
}

/// The pattern over a reference: without `mut` and `ref`.
fn by_reference(pattern: TokenStream) -> TokenStream {
    let kept = pattern.into_iter().filter_map(|token| match token {
        TokenTree::Ident(ident) if ident == "mut" || ident == "ref" => None,
        TokenTree::Group(group) => {
            let mut inner = Group::new(group.delimiter(), by_reference(group.stream()));
            inner.set_span(group.span());
            Some(TokenTree::Group(inner))
        }
        other => Some(other),
    });
    kept.collect()
}

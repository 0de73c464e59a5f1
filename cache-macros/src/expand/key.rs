//! The closure that writes the key.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Type, spanned::Spanned};

use super::{Context, at};
use crate::{argument::Argument, function::find, model::Part};

/// What stands between two parts.
const BETWEEN: &str = ":";

impl Context<'_> {
    pub(super) fn key(&self) -> TokenStream {
        let mixed = Span::mixed_site();
        let writes = self.key_writes(self.model.key.iter());
        let name = if writes.is_empty() {
            quote_spanned!(mixed=> _)
        } else {
            quote_spanned!(mixed=> __cached_key)
        };
        // The closure gives something that a user's own `return` cannot give: half a key is no key.
        quote_spanned!(mixed=> |#name: &mut __cached::KeyWriter<'_>| { #writes __cached::Written })
    }

    /// Writes these parts of the key, with what stands between them.
    pub(super) fn key_writes<'p>(&self, parts: impl Iterator<Item = &'p Part>) -> TokenStream {
        let (model, mixed) = (self.model, Span::mixed_site());
        let has_text = model.key.iter().any(|part| matches!(part, Part::Text(_)));
        let mut writes = TokenStream::new();
        for (position, part) in parts.enumerate() {
            let between = (position > 0 && !has_text).then(|| literal(BETWEEN));
            writes.extend(match part {
                Part::Text(text) => literal(text),
                Part::Expr(expr) => {
                    let place = if self.is_element(expr) {
                        // What it lacks, the map of the return type does not have either: one error.
                        self.output.span
                    } else {
                        expr.span()
                    };
                    let part =
                        quote_spanned!(at(place)=> __cached::part::<_>(__cached_key, &(#expr)););
                    quote_spanned!(mixed=> #between #part)
                }
                Part::Argument(position) => match model.arguments.get(*position) {
                    Some(argument) => argument_part(argument, between),
                    None => TokenStream::new(),
                },
            });
        }
        writes
    }
}

/// Stands at the argument's type, which is what lacks a bound where one is missing.
fn argument_part(argument: &Argument, between: Option<TokenStream>) -> TokenStream {
    let place = argument.ty.span();
    let ty = nameable(&argument.ty);
    let outer = argument.outer_at(place);
    // Not `part::<#ty>`: between those the compiler has other words for a type that is misspelt, and would
    // report it a second time.
    let part =
        quote_spanned!(at(place)=> <#ty as __cached::CacheKey>::write(&#outer, __cached_key););
    let cfgs: Vec<_> = argument.cfgs().collect();
    let between = between.map(|between| quote_spanned!(Span::mixed_site()=> #(#cfgs)* #between));
    quote_spanned!(Span::mixed_site()=> #between #(#cfgs)* #part)
}

fn literal(text: &str) -> TokenStream {
    quote_spanned!(Span::mixed_site()=> __cached_key.literal(#text);)
}

/// The type as an expression can name it: `_` where it is `impl Trait`.
fn nameable(ty: &Type) -> TokenStream {
    let tokens = ty.to_token_stream();
    match find(tokens.clone(), &|ident| ident == "impl") {
        Some(token) => quote_spanned!(at(token.span())=> _),
        None => tokens,
    }
}

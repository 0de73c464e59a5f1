//! Where generated tokens claim to stand. All of them resolve like the macro's own, so that no lint
//! takes them for the user's.

use proc_macro2::{Group, Span, TokenStream, TokenTree};

/// The macro's own span at the place of another.
pub(crate) fn at(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}

/// The tokens, all at one place.
pub(crate) fn all_at(place: Span, tokens: TokenStream) -> TokenStream {
    let tokens = tokens.into_iter().map(|token| match token {
        TokenTree::Group(group) => {
            let mut copy = Group::new(group.delimiter(), all_at(place, group.stream()));
            copy.set_span(at(place));
            TokenTree::Group(copy)
        }
        // Which crate `$crate` means is known by its span alone.
        TokenTree::Ident(ident) if ident == "$crate" => TokenTree::Ident(ident),
        mut other => {
            other.set_span(at(place));
            other
        }
    });
    tokens.collect()
}

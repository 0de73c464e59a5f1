//! Where generated tokens claim to stand. All of them resolve like the macro's own, so that no lint
//! takes them for the user's.

use proc_macro2::{Group, Span, TokenStream, TokenTree};

/// The macro's own span at the place of another.
pub(crate) fn at(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}

/// A copy of what the user wrote, at the same place: errors point there, lints see the original only.
pub(crate) fn copy(tokens: TokenStream) -> TokenStream {
    respan(tokens, &at)
}

/// The tokens, all at one place.
pub(crate) fn all_at(place: Span, tokens: TokenStream) -> TokenStream {
    respan(tokens, &|_| at(place))
}

fn respan(tokens: TokenStream, span: &dyn Fn(Span) -> Span) -> TokenStream {
    let tokens = tokens.into_iter().map(|token| match token {
        TokenTree::Group(group) => {
            let mut copy = Group::new(group.delimiter(), respan(group.stream(), span));
            copy.set_span(span(group.span()));
            TokenTree::Group(copy)
        }
        // Which crate `$crate` means is known by its span alone.
        TokenTree::Ident(ident) if ident == "$crate" => TokenTree::Ident(ident),
        mut other => {
            other.set_span(span(other.span()));
            other
        }
    });
    tokens.collect()
}

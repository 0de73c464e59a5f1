//! Renames `self` in the body of a method whose load outlives the call: there it is a local that
//! borrows an owned copy.

use proc_macro2::{
    Delimiter, Group, Ident, Literal, Spacing, Span, TokenStream, TokenTree, token_stream::IntoIter,
};

use crate::mistakes::Mistakes;

/// The name of the local.
pub(crate) const RENAMED: &str = "__cached_self";

/// Renames every `self` that is the value, in macros too. Functions, implementations and traits inside
/// the body have a `self` of their own.
pub(crate) fn rename(body: TokenStream, mistakes: &mut Mistakes) -> TokenStream {
    let mut renamed = TokenStream::new();
    let mut tokens = body.into_iter();
    while let Some(token) = tokens.next() {
        let next = tokens.clone().next();
        match token {
            TokenTree::Ident(ident) if ident == "self" && !is_path_separator(next.as_ref()) => {
                let span = Span::mixed_site().located_at(ident.span());
                renamed.extend([TokenTree::Ident(Ident::new(RENAMED, span))]);
            }
            TokenTree::Ident(ident) => {
                let end = end_of_verbatim(&ident, next.as_ref());
                renamed.extend([TokenTree::Ident(ident)]);
                renamed.extend(end.map(|end| take_through(&mut tokens, end)));
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), rename(group.stream(), mistakes));
                inner.set_span(group.span());
                renamed.extend([TokenTree::Group(inner)]);
            }
            TokenTree::Literal(literal) => {
                refuse_captured_self(&literal, mistakes);
                renamed.extend([TokenTree::Literal(literal)]);
            }
            punct @ TokenTree::Punct(_) => renamed.extend([punct]),
        }
    }
    renamed
}

/// Where something ends that does not mean this method's `self`.
#[derive(Clone, Copy)]
enum End {
    /// `{..}`, or `;` where there is none.
    Body,
    Semicolon,
    /// `(crate)`
    Parentheses,
}

fn end_of_verbatim(keyword: &Ident, next: Option<&TokenTree>) -> Option<End> {
    let starts_name = matches!(next, Some(TokenTree::Ident(_)));
    match keyword.to_string().as_str() {
        "fn" | "trait" if starts_name => Some(End::Body),
        "impl" => Some(End::Body),
        "use" if !matches!(next, Some(TokenTree::Punct(punct)) if punct.as_char() == '<') => {
            Some(End::Semicolon)
        }
        "pub" if matches!(next, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis) => {
            Some(End::Parentheses)
        }
        _ => None,
    }
}

fn take_through(tokens: &mut IntoIter, end: End) -> TokenStream {
    let mut taken = TokenStream::new();
    for token in tokens {
        let is_end = match (&token, end) {
            (TokenTree::Group(group), End::Body) => group.delimiter() == Delimiter::Brace,
            (TokenTree::Group(group), End::Parentheses) => {
                group.delimiter() == Delimiter::Parenthesis
            }
            (TokenTree::Punct(punct), End::Body | End::Semicolon) => punct.as_char() == ';',
            _ => false,
        };
        taken.extend([token]);
        if is_end {
            break;
        }
    }
    taken
}

fn is_path_separator(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':' && punct.spacing() == Spacing::Joint)
}

/// A format string captures by name, and the name in it cannot be changed from here.
fn refuse_captured_self(literal: &Literal, mistakes: &mut Mistakes) {
    let text = literal.to_string();
    let is_text = text.starts_with(['"', 'r']);
    let text = text.replace("{{", "");
    let is_captured = text
        .split("{self")
        .skip(1)
        .any(|after| after.trim_start().starts_with(['}', ':', '.']));
    if is_text && is_captured {
        mistakes.at(
            literal,
            "a detached load cannot capture `self` in a text: write `{}` and pass `self` after it",
        );
    }
}

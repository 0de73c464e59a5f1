//! Patterns of arguments: the names that they bind, and what those stand for, without moving it.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::format_ident;
use syn::{Ident, Pat, PatIdent, PatParen, parse::Parser, token::Paren};

/// The names that a pattern binds.
pub(crate) fn names(pattern: &Pat) -> Vec<Ident> {
    collect(&mut pattern.clone())
}

fn collect(pattern: &mut Pat) -> Vec<Ident> {
    let own = match pattern {
        Pat::Ident(binding) => Some(binding.ident.clone()),
        _ => None,
    };
    // All alternatives bind the same.
    let least = if matches!(pattern, Pat::Or(_)) {
        1
    } else {
        usize::MAX
    };
    let inner = parts(pattern).into_iter().take(least).flat_map(collect);
    own.into_iter().chain(inner).collect()
}

fn parts(pattern: &mut Pat) -> Vec<&mut Pat> {
    match pattern {
        Pat::Ident(binding) => {
            let inner = binding.subpat.iter_mut();
            inner.map(|(_, pattern)| &mut **pattern).collect()
        }
        Pat::Paren(inner) => vec![&mut inner.pat],
        Pat::Reference(inner) => vec![&mut inner.pat],
        Pat::Type(inner) => vec![&mut inner.pat],
        Pat::Or(or) => or.cases.iter_mut().collect(),
        Pat::Slice(slice) => slice.elems.iter_mut().collect(),
        Pat::Tuple(tuple) => tuple.elems.iter_mut().collect(),
        Pat::TupleStruct(tuple) => tuple.elems.iter_mut().collect(),
        Pat::Struct(fields) => {
            let fields = fields.fields.iter_mut();
            fields.map(|field| &mut *field.pat).collect()
        }
        _ => Vec::new(),
    }
}

/// Makes the pattern one over a reference to the value: without `mut` and `ref`, and with a name for each
/// reference that it takes apart. Gives those names, and the patterns that they stand for.
///
/// From the edition of 2024 on a `&` cannot stand where a pattern without one has gone through a reference.
pub(crate) fn by_reference(pattern: &mut Pat) -> Vec<(Ident, Pat)> {
    let mut referents = Vec::new();
    borrow(pattern, &mut referents);
    referents
}

fn borrow(pattern: &mut Pat, referents: &mut Vec<(Ident, Pat)>) {
    // Alternatives bind the same names, so what is in them stays together.
    if let Pat::Reference(_) | Pat::Or(_) = pattern
        && has_reference(pattern)
    {
        let position = referents.len();
        let name = format_ident!("__cached_referent{position}", span = Span::mixed_site());
        let referent = std::mem::replace(pattern, binding(name.clone()));
        referents.push((name, in_parentheses(referent)));
        return;
    }
    if let Pat::Ident(binding) = pattern {
        binding.by_ref = None;
        binding.mutability = None;
    }
    for part in parts(pattern) {
        borrow(part, referents);
    }
}

/// `let` takes no alternatives without them.
fn in_parentheses(pattern: Pat) -> Pat {
    match pattern {
        Pat::Or(_) => Pat::Paren(PatParen {
            attrs: Vec::new(),
            paren_token: Paren::default(),
            pat: Box::new(pattern),
        }),
        pattern => pattern,
    }
}

fn has_reference(pattern: &mut Pat) -> bool {
    matches!(pattern, Pat::Reference(_)) || parts(pattern).into_iter().any(has_reference)
}

/// The pattern that is this name.
pub(crate) fn binding(ident: Ident) -> Pat {
    Pat::Ident(PatIdent {
        attrs: Vec::new(),
        by_ref: None,
        mutability: None,
        ident,
        subpat: None,
    })
}

/// The pattern that `#[async_trait]` has moved from the signature into the body:
/// `let (a, b) = { let __arg1 = __arg1; __arg1 };`
pub(crate) fn moved_into(body: TokenStream, argument: &Ident) -> Option<Pat> {
    let mut tokens = body.into_iter();
    while let Some(token) = tokens.next() {
        let found = match token {
            TokenTree::Ident(ident) if ident == "let" => {
                let mut ahead = tokens.clone();
                let pattern = ahead
                    .by_ref()
                    .take_while(|token| !is_equals(token))
                    .collect();
                let is_it = ahead.next().is_some_and(|value| is_moved(&value, argument));
                is_it
                    .then(|| Pat::parse_multi_with_leading_vert.parse2(pattern).ok())
                    .flatten()
            }
            TokenTree::Group(group) => moved_into(group.stream(), argument),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn is_equals(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == '=')
}

fn is_moved(value: &TokenTree, argument: &Ident) -> bool {
    match value {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let last = group.stream().into_iter().last();
            matches!(last, Some(TokenTree::Ident(last)) if last == *argument)
        }
        _ => false,
    }
}

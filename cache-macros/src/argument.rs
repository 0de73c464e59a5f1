//! The arguments of a function: their names, and what their types are written with.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::{
    Attribute, FnArg, Generics, Ident, Pat, PatIdent, PatType, PatWild, Token, Type, TypeReference,
    ext::IdentExt, spanned::Spanned,
};

use crate::{
    boxed::bare,
    function::{Function, find},
    pattern,
};

pub(crate) struct Argument {
    /// What the argument is called in the signature of the expansion.
    pub(crate) outer: Ident,
    /// The pattern by which the body knows it, where that is not `outer`.
    pub(crate) pattern: Option<Pat>,
    /// Whether the body takes the pattern apart itself, as `#[async_trait]` writes it.
    pub(crate) is_bound_in_body: bool,
    /// The names that the body knows.
    pub(crate) names: Vec<Ident>,
    pub(crate) ty: Type,
    attributes: Vec<Attribute>,
}

impl Argument {
    pub(crate) fn all(function: &Function) -> Vec<Self> {
        let inputs = function.signature.inputs.iter();
        let typed = inputs.filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        typed
            .enumerate()
            .map(|(index, typed)| {
                let moved = moved_pattern(function, &typed.pat);
                let is_bound_in_body = moved.is_some();
                let (outer, pattern) = moved.unwrap_or_else(|| outer(&typed.pat, index));
                Self {
                    names: pattern::names(pattern.as_ref().unwrap_or(&typed.pat)),
                    outer,
                    pattern,
                    is_bound_in_body,
                    ty: (*typed.ty).clone(),
                    attributes: typed.attrs.clone(),
                }
            })
            .collect()
    }

    /// The names that expressions in options know, and whether each is a reference to what the body knows.
    pub(crate) fn names_in_caller(arguments: &[Self]) -> Vec<(Ident, bool)> {
        let names = arguments
            .iter()
            .flat_map(|argument| match &argument.pattern {
                Some(pattern) if !argument.names.contains(&argument.outer) => peeked_names(pattern),
                _ => argument.own_names(),
            });
        names.collect()
    }

    /// The names that the body knows, of which only those in patterns that it takes apart itself are references to what
    /// is called so.
    pub(crate) fn names_in_body(arguments: &[Self]) -> Vec<(Ident, bool)> {
        let names = arguments
            .iter()
            .flat_map(|argument| match &argument.pattern {
                Some(pattern) if argument.is_bound_in_body => peeked_names(pattern),
                _ => argument.own_names(),
            });
        names.collect()
    }

    fn own_names(&self) -> Vec<(Ident, bool)> {
        let names = self.names.iter().cloned();
        names.map(|name| (name, false)).collect()
    }

    /// The argument in a message. What the expansion calls it says nothing to its author.
    pub(crate) fn described(&self) -> String {
        match self.names.as_slice() {
            [name] => format!("`{name}`"),
            _ => "this argument".to_owned(),
        }
    }

    /// Makes the argument of the signature what the expansion needs.
    pub(crate) fn declare(&self, declared: &mut PatType) {
        if self.pattern.is_none() || self.is_bound_in_body {
            return;
        }
        declared.attrs.retain(|attribute| !is_lint(attribute));
        *declared.pat = pattern::binding(self.outer.clone());
    }

    /// The name in the signature, for errors that belong elsewhere.
    pub(crate) fn outer_at(&self, place: Span) -> Ident {
        let mut outer = self.outer.clone();
        outer.set_span(outer.span().located_at(place));
        outer
    }

    /// The attributes that decide whether the argument is there.
    pub(crate) fn cfgs(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("cfg"))
    }

    /// The attributes that belong where the body's names are bound.
    pub(crate) fn inner_attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("cfg") || is_lint(attribute))
    }

    /// `T` where the argument is `&T`.
    pub(crate) fn referent(&self) -> Option<&Type> {
        referent(&self.ty)
    }

    /// Whether the type is written so that a copy of the value can outlive the call: without lifetimes,
    /// inner references, `dyn` and `impl`, and with no type parameter.
    pub(crate) fn is_owned(&self, generics: &Generics) -> bool {
        let parameters: Vec<_> = generics
            .type_params()
            .map(|parameter| &parameter.ident)
            .collect();
        let is_open =
            |ident: &Ident| ident == "dyn" || ident == "Self" || parameters.contains(&ident);
        let has_lifetime = match &self.ty {
            Type::Reference(reference) => reference.lifetime.is_some() && !is_static(reference),
            _ => false,
        };
        !has_lifetime
            && self.borrow().is_none()
            && find(self.ty.to_token_stream(), &is_open).is_none()
    }

    /// The first token of the type because of which no copy of the value can outlive the call.
    pub(crate) fn borrow(&self) -> Option<TokenTree> {
        find_inner_borrow(&self.ty)
    }
}

/// `T` of `&T`. What is behind `&'static T` outlives every load as it is.
pub(crate) fn referent(ty: &Type) -> Option<&Type> {
    match bare(ty) {
        Type::Reference(reference) if reference.mutability.is_none() && !is_static(reference) => {
            Some(&reference.elem)
        }
        _ => None,
    }
}

fn is_static(reference: &TypeReference) -> bool {
    let lifetime = reference.lifetime.as_ref();
    lifetime.is_some_and(|name| name.ident == "static")
}

/// The first borrow (as [`find_borrow`]) inside a type, or behind the reference that it is.
pub(crate) fn find_inner_borrow(ty: &Type) -> Option<TokenTree> {
    find_borrow(referent(ty).unwrap_or(ty).to_token_stream())
}

/// The first reference, lifetime other than `'static`, or `impl`.
pub(crate) fn find_borrow(tokens: TokenStream) -> Option<TokenTree> {
    let mut tokens = tokens.into_iter().peekable();
    let mut reference = None;
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                let is_static =
                    matches!(tokens.next(), Some(TokenTree::Ident(name)) if name == "static");
                if !is_static {
                    return Some(reference.unwrap_or(token));
                }
                reference = None;
            }
            _ if reference.is_some() => return reference,
            TokenTree::Punct(punct) if punct.as_char() == '&' => reference = Some(token),
            TokenTree::Ident(ident) if ident == "impl" => return Some(token),
            TokenTree::Group(group) => {
                if let Some(found) = find_borrow(group.stream()) {
                    return Some(found);
                }
            }
            _ => {}
        }
    }
    reference
}

/// The first `&'static`.
pub(crate) fn find_static_reference(tokens: TokenStream) -> Option<TokenTree> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let nested = tokens.iter().find_map(|token| match token {
        TokenTree::Group(group) => find_static_reference(group.stream()),
        _ => None,
    });
    let here = || {
        let written = tokens.windows(3).find(|window| {
            let text = window.iter().map(ToString::to_string);
            text.eq(["&", "'", "static"])
        })?;
        written.first().cloned()
    };
    nested.or_else(here)
}

fn is_lint(attribute: &Attribute) -> bool {
    ["allow", "expect", "warn", "deny", "forbid"]
        .iter()
        .any(|lint| attribute.path().is_ident(lint))
}

/// The name of an argument in the signature, and the pattern it stands for.
///
/// A name with a leading underscore counts as a pattern: the expansion reads the argument, and clippy
/// would report that in the user's name.
fn outer(pattern: &Pat, index: usize) -> (Ident, Option<Pat>) {
    if let Pat::Ident(PatIdent {
        by_ref: None,
        subpat: None,
        ident,
        mutability,
        ..
    }) = pattern
        && !is_underscored(ident)
    {
        return (ident.clone(), mutability.is_some().then(|| pattern.clone()));
    }
    let span = Span::mixed_site().located_at(pattern.span());
    (
        format_ident!("__cached_arg{index}", span = span),
        Some(pattern.clone()),
    )
}

pub(crate) fn is_underscored(name: &Ident) -> bool {
    name.to_string().starts_with('_')
}

/// The names of a pattern over a reference to the argument, and whether each is a reference itself.
fn peeked_names(pattern: &Pat) -> Vec<(Ident, bool)> {
    let mut peeked = pattern.clone();
    let referents = pattern::by_reference(&mut peeked);
    let values: Vec<_> = referents
        .iter()
        .flat_map(|(_, pattern)| pattern::names(pattern))
        .collect();
    let names = pattern::names(pattern).into_iter();
    names
        .map(|name| (name.clone(), !values.contains(&name)))
        .collect()
}

/// The name that `#[async_trait]` has put into the signature for a pattern, and the pattern.
fn moved_pattern(function: &Function, declared: &Pat) -> Option<(Ident, Option<Pat>)> {
    let Pat::Ident(PatIdent { ident: outer, .. }) = declared else {
        return None;
    };
    if function.boxed.is_none() || !outer.to_string().starts_with("__arg") {
        return None;
    }
    let nameless = || {
        Pat::Wild(PatWild {
            attrs: Vec::new(),
            underscore_token: Token![_](outer.span()),
        })
    };
    let moved = pattern::moved_into(function.statements.clone(), outer);
    Some((outer.clone(), Some(moved.unwrap_or_else(nameless))))
}

/// The names of arguments that read as this one, raw or not.
pub(crate) fn called<'a>(
    arguments: &'a [Argument],
    name: &Ident,
) -> impl Iterator<Item = &'a Ident> {
    let name = name.unraw();
    let names = arguments.iter().flat_map(|argument| &argument.names);
    names.filter(move |known| known.unraw() == name)
}

/// What is said of a name that a `macro_rules!` has given twice: which of the two is meant, only the compiler sees.
pub(crate) fn ambiguous(name: &str) -> String {
    format!(
        "two arguments are called `{name}`, and which is meant does not show here: give one another name"
    )
}

//! The arguments of a function: their names, and what their types are written with.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::{
    Attribute, FnArg, Generics, Ident, Pat, PatIdent, PatType, Signature, Type, TypeReference,
    spanned::Spanned,
};

use crate::function::find;

pub(crate) struct Argument {
    /// What the argument is called in the signature of the expansion.
    pub(crate) outer: Ident,
    /// The pattern by which the body knows it, where that is not `outer`.
    pub(crate) pattern: Option<Pat>,
    /// The names that the body knows.
    pub(crate) names: Vec<Ident>,
    pub(crate) ty: Type,
    attributes: Vec<Attribute>,
}

impl Argument {
    pub(crate) fn all(signature: &Signature) -> Vec<Self> {
        let typed = signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        typed
            .enumerate()
            .map(|(index, typed)| {
                let (outer, pattern) = outer(&typed.pat, index);
                Self {
                    outer,
                    pattern,
                    names: names(&typed.pat),
                    ty: (*typed.ty).clone(),
                    attributes: typed.attrs.clone(),
                }
            })
            .collect()
    }

    /// The names that expressions in options know, and whether each is a reference to what the body knows.
    pub(crate) fn names_in_caller(arguments: &[Self]) -> Vec<(Ident, bool)> {
        let names = arguments.iter().flat_map(|argument| {
            let is_reference = !argument.names.contains(&argument.outer);
            argument
                .names
                .iter()
                .map(move |name| (name.clone(), is_reference))
        });
        names.collect()
    }

    /// The names that the body knows, none of which is a reference to what is called so.
    pub(crate) fn names_in_body(signature: &Signature) -> Vec<(Ident, bool)> {
        let arguments = Self::all(signature);
        let names = arguments.into_iter().flat_map(|argument| argument.names);
        names.map(|name| (name, false)).collect()
    }

    /// Makes the argument of the signature what the expansion needs.
    pub(crate) fn declare(&self, declared: &mut PatType) {
        if self.pattern.is_none() {
            return;
        }
        declared.attrs.retain(|attribute| !is_lint(attribute));
        *declared.pat = Pat::Ident(PatIdent {
            attrs: Vec::new(),
            by_ref: None,
            mutability: None,
            ident: self.outer.clone(),
            subpat: None,
        });
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
    match ty {
        Type::Reference(reference) if reference.mutability.is_none() && !is_static(reference) => {
            Some(&reference.elem)
        }
        Type::Paren(inner) => referent(&inner.elem),
        Type::Group(inner) => referent(&inner.elem),
        _ => None,
    }
}

fn is_static(reference: &TypeReference) -> bool {
    let lifetime = reference.lifetime.as_ref();
    lifetime.is_some_and(|name| name.ident == "static")
}

/// The first of these inside a type, or behind the reference that it is.
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

/// The names that a pattern binds.
fn names(pattern: &Pat) -> Vec<Ident> {
    match pattern {
        Pat::Ident(ident) => {
            let inner = ident.subpat.iter().flat_map(|(_, pattern)| names(pattern));
            std::iter::once(ident.ident.clone()).chain(inner).collect()
        }
        Pat::Paren(inner) => names(&inner.pat),
        Pat::Reference(inner) => names(&inner.pat),
        Pat::Type(inner) => names(&inner.pat),
        Pat::Or(or) => or.cases.first().map(names).unwrap_or_default(),
        Pat::Slice(slice) => slice.elems.iter().flat_map(names).collect(),
        Pat::Tuple(tuple) => tuple.elems.iter().flat_map(names).collect(),
        Pat::TupleStruct(tuple) => tuple.elems.iter().flat_map(names).collect(),
        Pat::Struct(fields) => fields
            .fields
            .iter()
            .flat_map(|field| names(&field.pat))
            .collect(),
        _ => Vec::new(),
    }
}

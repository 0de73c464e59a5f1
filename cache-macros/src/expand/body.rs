//! The user's body in an expansion: what is awaited for the value.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{GenericArgument, PathArguments, ReturnType, Type, TypeInfer, spanned::Spanned};

use super::at;
use crate::function::Function;

/// What a function returns, or its future gives, as the expansion writes it once more.
pub(crate) struct Output {
    pub(crate) ty: TokenStream,
    pub(crate) span: Span,
}

impl Output {
    pub(crate) fn of(function: &Function) -> Self {
        match &function.output {
            Some(ty) => Self {
                ty: nameable(ty.clone()).into_token_stream(),
                span: ty.span(),
            },
            None => Self {
                ty: quote_spanned!(Span::mixed_site()=> ()),
                span: function.signature.ident.span(),
            },
        }
    }

    /// For where the type is written once more. Not for every function: code that forbids lints would have a warning
    /// for each.
    pub(crate) fn allow_complexity(&self) -> Option<TokenStream> {
        let is_long = self.ty.to_string().split_whitespace().count() > LONG_TYPE;
        is_long.then(|| quote_spanned!(Span::mixed_site()=> #[allow(clippy::type_complexity)]))
    }

    /// What is awaited, or stands in an `async` block, for the value.
    pub(crate) fn body(&self, function: &Function) -> TokenStream {
        if function.boxed.is_some() {
            made(function)
        } else {
            self.awaited(function)
        }
    }

    /// The user's statements between the user's braces, and before them what they need.
    ///
    /// The first statement never runs. It tells the compiler the type of the block, so that an error
    /// in the body reads as it would in the function.
    fn awaited(&self, function: &Function) -> TokenStream {
        let (ty, allow) = (&self.ty, self.allow_complexity());
        let edge = quote_spanned! {at(self.span)=>
            #allow
            if false {
                return (|| -> #ty { loop {} })();
            }
        };
        let statements = &function.statements;
        // With one more in it, the block is not taken for one whose braces its author could remove. An item
        // only among others, as from inside a block that has one, the compiler does not see what a misspelt
        // name could mean; no statement before items, as that is a lint.
        let more = if starts_with_item(statements) {
            quote_spanned!(Span::mixed_site()=> const _: () = ();)
        } else {
            quote_spanned!(Span::mixed_site()=> let () = ();)
        };
        let block = quote_spanned!(Span::mixed_site()=> #more #statements);
        let mut block = Group::new(Delimiter::Brace, block);
        block.set_span(function.braces);
        quote_spanned!(Span::mixed_site()=> #edge #block)
    }
}

/// From how many tokens on a type may be too complex for clippy's taste.
const LONG_TYPE: usize = 12;

/// The user's statements where they make a future: in a closure, so that their `return` ends it.
fn made(function: &Function) -> TokenStream {
    let returned = match &function.signature.output {
        ReturnType::Type(_, returned) => {
            let returned = returned.to_token_stream();
            let mut kept = bound_lifetimes(returned.clone());
            kept.push("static".to_owned());
            without_lifetimes(returned, &kept)
        }
        ReturnType::Default => TokenStream::new(),
    };
    let mut block = Group::new(Delimiter::Brace, function.statements.clone());
    block.set_span(function.braces);
    quote_spanned!(Span::mixed_site()=> (move || -> #returned #block)().await)
}

/// The type with `_` in place of each `impl Trait`, which has no other name.
fn nameable(ty: Type) -> Type {
    match ty {
        Type::ImplTrait(opaque) => Type::Infer(TypeInfer {
            attrs: Vec::new(),
            underscore_token: syn::Token![_](at(opaque.span())),
        }),
        Type::Path(mut path) => {
            for segment in &mut path.path.segments {
                let PathArguments::AngleBracketed(arguments) = &mut segment.arguments else {
                    continue;
                };
                for argument in &mut arguments.args {
                    if let GenericArgument::Type(ty) = argument {
                        *ty = nameable(ty.clone());
                    }
                }
            }
            Type::Path(path)
        }
        Type::Tuple(mut tuple) => {
            for element in &mut tuple.elems {
                *element = nameable(element.clone());
            }
            Type::Tuple(tuple)
        }
        other => other,
    }
}

/// The type with `'_` in place of each lifetime but `'static` and those of a `for<..>`: the body may borrow from copies
/// that live shorter than what the caller has lent.
fn without_lifetimes(returned: TokenStream, kept: &[String]) -> TokenStream {
    let mut tokens = returned.into_iter();
    let mut written = TokenStream::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(quote) if quote.as_char() == '\'' => {
                let name = tokens.next();
                let is_kept = name
                    .as_ref()
                    .is_some_and(|name| kept.contains(&name.to_string()));
                written.extend(if is_kept {
                    quote!(#quote #name)
                } else {
                    quote!('_)
                });
            }
            TokenTree::Group(group) => {
                let stream = without_lifetimes(group.stream(), kept);
                let mut inner = Group::new(group.delimiter(), stream);
                inner.set_span(group.span());
                written.extend([TokenTree::Group(inner)]);
            }
            other => written.extend([other]),
        }
    }
    written
}

/// The lifetimes between `for<` and `>`, which no other of the type can be called like.
fn bound_lifetimes(returned: TokenStream) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_bound = false;
    for token in returned {
        match token {
            TokenTree::Ident(ident) if ident == "for" => is_bound = true,
            TokenTree::Punct(punct) if punct.as_char() == '>' => is_bound = false,
            TokenTree::Ident(ident) if is_bound => names.push(ident.to_string()),
            TokenTree::Group(group) => names.extend(bound_lifetimes(group.stream())),
            _ => {}
        }
    }
    names
}

/// Whether the statements may start with an item.
fn starts_with_item(statements: &TokenStream) -> bool {
    const STARTS: [&str; 17] = [
        "async",
        "const",
        "enum",
        "extern",
        "fn",
        "impl",
        "macro_rules",
        "mod",
        "pub",
        "static",
        "struct",
        "trait",
        "type",
        "union",
        "unsafe",
        "use",
        "#",
    ];
    let first = statements.clone().into_iter().next();
    first.is_some_and(|token| STARTS.contains(&token.to_string().as_str()))
}

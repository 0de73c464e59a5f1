//! What expansions tell the graph of the program, behind the feature `graph`: a function that fills it, which the linker
//! gathers. In a function it is an item, which is there once, however often a generic one is instantiated.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, LitStr, Signature, Type, ext::IdentExt, spanned::Spanned};

use crate::{
    expand::at,
    features::Features,
    literal::{Events, Literal, RESULT, field_name},
    options::{Given, Listened},
};

/// Tells of a cached function, and what kills its entries. Of one that belongs to a type only where something does: what the
/// linker gathers is `unsafe`, and Clippy minds that in functions of a type that derives `Deserialize`.
pub(crate) fn cached(
    features: Features,
    signature: &Signature,
    name: Option<&Given<LitStr>>,
    listened: Option<&Given<Listened>>,
) -> TokenStream {
    let is_told_of = listened.is_some() || !is_of_a_type(signature.to_token_stream());
    if !features.have_graph() || !is_told_of {
        return TokenStream::new();
    }
    let name = name.map(|given| given.value.value()).unwrap_or_default();
    let cached = quote_spanned! {Span::mixed_site()=>
        __cached_graph.cached(::core::any::type_name_of_val(&__cached_registered), #name);
    };
    let listened = listened.map(|listened| {
        let literals = listened.value.literals.iter().map(told);
        let by_value = listened.value.by_value.iter();
        let by_value = by_value.flat_map(|by_value| &by_value.events);
        let told = literals.chain(by_value.map(|events| told_of(events, None)));
        function("listener", told)
    });
    registered(&quote!(#cached #listened))
}

/// Whether `self` or `Self` is in a signature.
fn is_of_a_type(signature: TokenStream) -> bool {
    signature.into_iter().any(|token| match token {
        TokenTree::Group(group) => is_of_a_type(group.stream()),
        TokenTree::Ident(name) => name == "self" || name == "Self",
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Tells what a mutating function emits. `output` is the type that it returns.
pub(crate) fn emitter(features: Features, events: &[Events], output: Option<&Type>) -> TokenStream {
    if !features.have_graph() {
        return TokenStream::new();
    }
    let told = events.iter().map(|events| told_of(events, output));
    registered(&function("emitter", told))
}

/// Tells of an event that its function emits by hand.
pub(crate) fn by_hand(features: Features, literal: &Literal) -> TokenStream {
    if !features.have_graph() {
        return TokenStream::new();
    }
    registered(&function("emitter", [told(literal)]))
}

/// The item that the linker gathers. `told` is what it tells `__cached_graph`.
pub(crate) fn registered(told: &TokenStream) -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        fn __cached_registered(__cached_graph: &mut __cached::Registry) {
            #told
        }
        __cached::inventory::submit! { __cached::Registered(__cached_registered) }
    }
}

/// What a function does with events. The name of the item begins with the path of the function around it.
fn function(role: &str, told: impl IntoIterator<Item = TokenStream>) -> TokenStream {
    let mixed = Span::mixed_site();
    let role = Ident::new(role, mixed);
    let told = told.into_iter();
    quote_spanned! {mixed=>
        let mut __cached_function = __cached_graph.#role(
            ::core::any::type_name_of_val(&__cached_registered),
            ::core::file!(),
            ::core::line!(),
        );
        #(#told)*
    }
}

/// Of a prefix the rest of the expansion says that it is one of an event, where it is not. A whole one says so itself, and
/// twice would be too often: here it may be none.
fn told(literal: &Literal) -> TokenStream {
    let mixed = Span::mixed_site();
    let never = literal.without_values();
    if literal.is_whole {
        return quote_spanned! {mixed=>
            __cached_function.whole({
                use __cached::{ProbeKnown as _, ProbeUnknown as _};
                (&&__cached::KnownProbe::of(|| #never)).__cached_known()
            });
        };
    }
    let described = quote_spanned!(at(literal.path().span())=> __cached::describe(|| #never));
    let names = literal.fields().map(|field| field_name(&field.member));
    quote_spanned!(mixed=> __cached_function.prefix(#described, &[#(#names),*]);)
}

/// An expression says by the names of types in it which events it gives: an item cannot name the type of one.
fn told_of(events: &Events, output: Option<&Type>) -> TokenStream {
    let expr = match events {
        Events::Literal(literal) => return told(literal),
        Events::Expr(expr) => expr,
    };
    let mut mentioned = Mentioned::default();
    match output.filter(|_| is_result(expr)) {
        Some(output) => mentioned.read(output.to_token_stream()),
        None => mentioned.read(expr.to_token_stream()),
    }
    let types = mentioned.types;
    let given = if mentioned.has_told {
        String::new()
    } else {
        expr.to_token_stream().to_string()
    };
    quote_spanned!(Span::mixed_site()=> __cached_function.some(&[#(#types),*], #given);)
}

/// Whether the expression is what the function returned, and nothing else.
fn is_result(expr: &Expr) -> bool {
    matches!(expr, Expr::Path(path) if path.path.is_ident(RESULT))
}

/// What an expression says of the events that it gives.
#[derive(Default)]
struct Mentioned {
    /// What is written as types are.
    types: Vec<String>,
    /// Whether there is an `event!(..)`, which tells of itself.
    has_told: bool,
}

impl Mentioned {
    fn read(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) => self.read(group.stream()),
                TokenTree::Ident(name) => {
                    let is_macro = |next: &TokenTree| matches!(next, TokenTree::Punct(bang) if bang.as_char() == '!');
                    if name == "event" && tokens.next_if(is_macro).is_some() {
                        self.has_told = true;
                        tokens.next_if(|next| {
                            matches!(next, TokenTree::Group(group) if group.delimiter() != Delimiter::None)
                        });
                        continue;
                    }
                    let name = name.unraw().to_string();
                    if name.starts_with(char::is_uppercase) && !self.types.contains(&name) {
                        self.types.push(name);
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

//! From the options and the function to tokens.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::Options;
use crate::{
    argument::Argument,
    expand::{self, at, body::Output},
    features::Features,
    function::{Function, find},
    graph,
    literal::{Events, Literal, Mark, RESULT, Scope},
};

/// Input:
///
/// ```text
/// async fn create(db: &Db, tenant: u64) -> Result<Order, DbError> { BODY }   // OrderChanged { tenant, id: result.id }
/// ```
///
/// Output:
///
/// ```text
/// async fn create(db: &Db, tenant: u64) -> Result<Order, DbError> {
///     use ::cache_core::__private as __cached;
///     let mut changes = ..;                           // what is known: `OrderChanged { tenant, .. }`
///     let mutation = Mutation::begin(None, changes, Emitter::of(&|| ()));
///     let output = async move { BODY }.await;
///     match ended(&output) {
///         Some(result) => mutation.succeeded(..).await,   // `OrderChanged { tenant, id: result.id }`
///         None => mutation.failed().await,
///     }
///     output
/// }
/// ```
///
/// A function that returns a boxed future does the same in a boxed `async` block, and `BODY` makes the future that
/// is awaited.
pub(super) fn expand(options: &Options, function: &Function, features: Features) -> TokenStream {
    let (attributes, visibility) = (&function.attributes, &function.visibility);
    let (signature, inner_attributes) = (&function.signature, &function.inner_attributes);
    let mixed = Span::mixed_site();
    let import = expand::import(options.krate.as_ref());
    let registered = graph::emitter(features, &options.events, function.output.as_ref());
    let arguments = Argument::all(function);
    let names = Argument::names_in_body(&arguments);
    let peeked = peeked(options, &arguments);
    let mutation = Mutation {
        options,
        result: result(options),
        names,
    };
    let (begun, ended) = (mutation.begun(), mutation.ended());
    let body = Output::of(function).body(function);
    let mut answer = quote_spanned! {mixed=>
        #import
        #registered
        #peeked
        #begun
        let __cached_output = async move { #body }.await;
        #ended
        __cached_output
    };
    if function.boxed.is_some() {
        answer = quote_spanned!(mixed=> ::std::boxed::Box::pin(async move { #answer }));
    }
    let mut block = Group::new(Delimiter::Brace, quote!(#inner_attributes #answer));
    block.set_span(function.braces);
    quote!(#(#attributes)* #visibility #signature #block)
}

/// The names in patterns that the body takes apart itself, where events use them.
fn peeked(options: &Options, arguments: &[Argument]) -> TokenStream {
    let is_used = |name: &Ident| {
        let mut events = options.events.iter().map(ToTokens::to_token_stream);
        events.any(|events| find(events, &|ident| ident == name).is_some())
    };
    let bound_in_body = arguments
        .iter()
        .filter(|argument| argument.is_bound_in_body);
    let used = bound_in_body.filter(|argument| argument.names.iter().any(is_used));
    used.filter_map(expand::names::peek).collect()
}

/// The word for what the function returned, as the user wrote it first.
fn result(options: &Options) -> Option<Ident> {
    let is_it = |ident: &Ident| ident == RESULT;
    options
        .events
        .iter()
        .filter(|events| events.use_result())
        .find_map(|events| find(events.to_token_stream(), &is_it))
}

struct Mutation<'a> {
    options: &'a Options,
    /// Where events use what the function returned.
    result: Option<Ident>,
    names: Vec<(Ident, bool)>,
}

impl Mutation<'_> {
    /// What is done before the body runs.
    fn begun(&self) -> TokenStream {
        let mixed = Span::mixed_site();
        let scope = self.scope();
        let known = self
            .options
            .events
            .iter()
            .filter(|events| !events.use_result());
        let known =
            known.map(|events| events.added(&scope, &quote_spanned!(mixed=> __cached::Changes)));
        let always = self.result.as_ref().map(|_| {
            quote_spanned!(mixed=> let __cached_always = ::core::clone::Clone::clone(&__cached_changes);)
        });
        let held = self.literals_with_result().map(|(held, literal)| {
            let values = literal.held(&scope);
            quote_spanned!(mixed=> let #held = #values;)
        });
        let prefixes = self.literals_with_result().map(|(held, literal)| {
            let prefix = literal.known(&scope, &held);
            quote_spanned!(at(literal.path().span())=> __cached::Changes::add(__cached_events, &#prefix);)
        });
        let begin = self.begin();
        quote_spanned! {mixed=>
            let mut __cached_changes = __cached::Changes::default();
            {
                use __cached::Unmarked as _;
                let __cached_events = &mut __cached_changes;
                #(#known)*
            }
            #always
            #(#held)*
            {
                use __cached::Unmarked as _;
                let __cached_events = &mut __cached_changes;
                #(#prefixes)*
            }
            #begin
        }
    }

    fn begin(&self) -> TokenStream {
        let mixed = Span::mixed_site();
        let cache = expand::cache(self.options.cache.as_ref());
        // Named after the function, as the type of a closure in it is.
        let by = quote_spanned!(mixed=> __cached::Emitter::of(&|| ()));
        let Some(guarded) = &self.options.guarded else {
            return quote_spanned! {mixed=>
                let __cached_mutation = {
                    #cache
                    __cached::Mutation::begin(__cached_cache, __cached_changes, #by)
                };
            };
        };
        let refused =
            quote_spanned!(at(guarded.span())=> __cached::Refusable::refused(__cached_refused));
        quote_spanned! {mixed=>
            let __cached_begun = {
                #cache
                __cached::Mutation::begin_guarded(__cached_cache, __cached_changes, #by).await
            };
            let __cached_mutation = match __cached_begun {
                ::core::result::Result::Ok(__cached_mutation) => __cached_mutation,
                ::core::result::Result::Err(__cached_refused) => return #refused,
            };
        }
    }

    /// What is done after the body has run. The output is not borrowed while that waits: it need not be `Sync`.
    fn ended(&self) -> TokenStream {
        let mixed = Span::mixed_site();
        let (some, none) = (
            quote_spanned!(mixed=> ::core::option::Option::Some),
            quote_spanned!(mixed=> ::core::option::Option::None),
        );
        let bound = self
            .result
            .as_ref()
            .map_or_else(|| quote_spanned!(mixed=> _), ToTokens::to_token_stream);
        let changes = self.changes_with_result();
        let failed = if self.options.on_ok.is_none() {
            quote_spanned!(mixed=> __cached_mutation.failed().await)
        } else {
            quote_spanned!(mixed=> __cached_mutation.silenced())
        };
        let assert_can_fail = self.options.on_ok.as_ref().map(
            |on_ok| quote_spanned!(at(on_ok.span())=> __cached::assert_can_fail(&__cached_output);),
        );
        quote_spanned! {mixed=>
            #assert_can_fail
            let __cached_ended = {
                use __cached::{ProbeAny as _, ProbeResult as _, Unmarked as _};
                match (&&__cached::OkProbe::of(&__cached_output)).__cached_ok() {
                    #some(#bound) => #some(#changes),
                    #none => #none,
                }
            };
            match __cached_ended {
                #some(__cached_changes) => __cached_mutation.succeeded(__cached_changes).await,
                #none => #failed,
            }
        }
    }

    /// What has changed, where what the function returned says more than was known.
    fn changes_with_result(&self) -> TokenStream {
        let mixed = Span::mixed_site();
        let Some(result) = &self.result else {
            return quote_spanned!(mixed=> ::core::option::Option::None);
        };
        let mut scope = self.scope();
        let mut names = self.names.clone();
        names.push((result.clone(), true));
        scope.names = &names;
        let literals = self.literals_with_result().map(|(held, literal)| {
            let event = literal.complete(&scope, &held);
            quote_spanned!(at(literal.path().span())=> __cached::Changes::add(__cached_events, &#event);)
        });
        let others = self
            .options
            .events
            .iter()
            .filter(|events| events.use_result());
        let others = others.filter(|events| matches!(events, Events::Expr(_)));
        let others =
            others.map(|events| events.added(&scope, &quote_spanned!(mixed=> __cached::Changes)));
        quote_spanned! {mixed=>
            {
                let mut __cached_changes = __cached_always;
                let __cached_events = &mut __cached_changes;
                #(#literals)*
                #(#others)*
                ::core::option::Option::Some(__cached_changes)
            }
        }
    }

    /// The literals that use what the function returned, each with the name of what is held for it.
    fn literals_with_result(&self) -> impl Iterator<Item = (Ident, &Literal)> {
        let literals = self
            .options
            .events
            .iter()
            .filter_map(|events| match events {
                Events::Literal(literal) if literal.uses_result() => Some(literal),
                _ => None,
            });
        literals.enumerate().map(|(index, literal)| {
            let held = format_ident!("__cached_held{index}", span = Span::mixed_site());
            (held, literal)
        })
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            mark: Mark::Emitted,
            names: &self.names,
        }
    }
}

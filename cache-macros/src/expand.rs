//! From the model to tokens.
//!
//! One function becomes one function. What it does at run time is in the runtime's `__private`; this
//! is only the order of the calls, and where each of them stands, so that errors point at the user's
//! own tokens.

use proc_macro2::{Delimiter, Group, Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{FnArg, Signature, spanned::Spanned};

use crate::{model::Model, options::Tiers};

mod keep;
mod key;
pub(crate) mod key_shape;
mod load;
mod names;

/// Input:
///
/// ```text
/// async fn user(db: &Db, id: u64) -> Result<User, DbError> { BODY }
/// ```
///
/// Output:
///
/// ```text
/// async fn user(db: &Db, id: u64) -> Result<User, DbError> {
///     use ::cache_core::__private as __cached;
///     static SITE = ..;
///     let begin = move || {
///         let returned = ..;                          // what the return type is, and its bounds
///         let begun = begin(&SITE, .., |key| ..);     // looks into memory
///         match begun {
///             Ok(output) => Ok(output),
///             Err(missed) => {
///                 let keep = ..;                      // what becomes of a loaded value
///                 Err(mode.launch(missed, &keep, || async move { BODY }))
///             }
///         }
///     };
///     let answering = match begin() {
///         Ok(output) => return output,
///         Err(answering) => answering,
///     };
///     answering.await
/// }
/// ```
///
/// What waits for nothing is in a closure: in the `async` function itself each call would be compiled with
/// what undoes it.
///
/// A function that returns a boxed future does the same in a boxed `async` block, and `BODY` makes the
/// future of the load.
pub(crate) fn expand(model: &Model) -> TokenStream {
    let context = Context::new(model);
    let attributes = &model.function.attributes;
    let visibility = &model.function.visibility;
    let signature = signature(model);
    let inner_attributes = &model.function.inner_attributes;
    let import = context.import();
    let site = context.site();
    let returned = context.returned();
    let peeked = context.peeked();
    let begun = context.begun();
    let keep = context.keep();
    let load = context.load();
    let mut answer = quote_spanned! {Span::mixed_site()=>
        #import
        #site
        let __cached_begin = move || {
            #returned
            #peeked
            #begun
            match __cached_begun {
                ::core::result::Result::Ok(__cached_output) => ::core::result::Result::Ok(__cached_output),
                ::core::result::Result::Err(__cached_missed) => {
                    #keep
                    ::core::result::Result::Err(#load)
                }
            }
        };
        let __cached_answering = match __cached_begin() {
            ::core::result::Result::Ok(__cached_output) => return __cached_output,
            ::core::result::Result::Err(__cached_answering) => __cached_answering,
        };
        __cached_answering.await
    };
    if model.function.is_boxed {
        answer =
            quote_spanned!(Span::mixed_site()=> ::std::boxed::Box::pin(async move { #answer }));
    }
    let mut block = Group::new(Delimiter::Brace, quote!(#inner_attributes #answer));
    block.set_span(model.function.braces);
    quote!(#(#attributes)* #visibility #signature #block)
}

fn signature(model: &Model) -> Signature {
    let mut signature = model.function.signature.clone();
    let typed = signature.inputs.iter_mut().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    for (declared, argument) in typed.zip(&model.arguments) {
        argument.declare(declared);
    }
    signature
}

/// What all parts of the expansion refer to.
struct Context<'a> {
    model: &'a Model,
    /// The return type.
    output: TokenStream,
    output_span: Span,
}

impl<'a> Context<'a> {
    fn new(model: &'a Model) -> Self {
        let signature = &model.function.signature;
        let (output, output_span) = match &model.function.output {
            Some(ty) => (ty.to_token_stream(), ty.span()),
            None => (
                quote_spanned!(Span::mixed_site()=> ()),
                signature.ident.span(),
            ),
        };
        Self {
            model,
            output,
            output_span,
        }
    }

    /// One import, so that a path which leads nowhere is one error.
    fn import(&self) -> TokenStream {
        let path = self.model.options.krate.as_ref();
        let path = path.map(|path| path.value.to_token_stream());
        let mixed = Span::mixed_site();
        let path = path.unwrap_or_else(|| quote_spanned!(mixed=> ::cache_core));
        quote_spanned!(mixed=> use #path::__private as __cached;)
    }

    fn site(&self) -> TokenStream {
        let model = self.model;
        let mixed = Span::mixed_site();
        let mut site = quote_spanned!(mixed=> __cached::Site::new());
        if let Some(name) = &model.options.name {
            let name = &name.value;
            site.extend(quote_spanned!(mixed=> .named(#name)));
        }
        if let Some(version) = &model.options.version {
            let version = Literal::u32_unsuffixed(version.value);
            site.extend(quote_spanned!(mixed=> .versioned(#version)));
        }
        if !model.options.is_local() {
            let shape = self.key_shape();
            if !shape.is_empty() {
                site.extend(quote_spanned!(mixed=> .keyed(#shape)));
            }
        }
        match model.options.tiers.as_ref().map(|tiers| tiers.value) {
            None | Some(Tiers::Both) => {}
            Some(Tiers::Memory) => {
                site.extend(quote_spanned!(mixed=> .tiers(__cached::Tiers::Memory)));
            }
            Some(Tiers::Redis) => {
                site.extend(quote_spanned!(mixed=> .tiers(__cached::Tiers::Redis)));
            }
        }
        if let Some(loads) = &model.options.max_concurrent_loads {
            let loads = Literal::u32_unsuffixed(loads.value);
            site.extend(quote_spanned!(mixed=> .max_concurrent_loads(#loads)));
        }
        quote_spanned!(mixed=> static __CACHED_SITE: __cached::Site = #site;)
    }

    /// Which shape the return type has. The last call asserts its bounds.
    ///
    /// The return type does not stand between `<` and `>`: there the compiler has other words for one that
    /// is misspelt, and would report it a second time.
    fn returned(&self) -> TokenStream {
        let (output, allow) = (&self.output, self.allow_complexity());
        let assertion = quote_spanned! {at(self.output_span)=>
            __cached::returned(__cached_shape, __cached_errors)
        };
        quote_spanned! {Span::mixed_site()=>
            let __cached_returned = {
                use __cached::{
                    ProbeFallibleOptional as _, ProbeLayer as _, ProbePlain as _, ProbeShared as _, ProbeUnshared as _,
                };
                #allow
                let __cached_probe = __cached::Probe::of(|| -> #output { loop {} });
                let __cached_shape = (&&&__cached_probe).__cached_shape();
                let __cached_errors = (&&__cached::ErrorProbe::of(&__cached_shape)).__cached_sharing();
                #assertion
            };
        }
    }

    /// For where the return type is written once more. Not for every function: code that forbids lints would
    /// have a warning for each.
    fn allow_complexity(&self) -> Option<TokenStream> {
        let is_long = self.output.to_string().split_whitespace().count() > LONG_TYPE;
        is_long.then(|| quote_spanned!(Span::mixed_site()=> #[allow(clippy::type_complexity)]))
    }

    fn begun(&self) -> TokenStream {
        let mixed = Span::mixed_site();
        let key = self.key();
        let begin = quote_spanned!(mixed=> __cached::begin);
        match &self.model.options.cache {
            None => quote_spanned! {mixed=>
                let __cached_begun =
                    #begin(&__CACHED_SITE, &|| (), &__cached_returned, ::core::option::Option::None, #key);
            },
            // The type stands at the option, where the error says that it is expected.
            Some(cache) => {
                let value = &cache.value;
                let value = quote_spanned!(at(value.span())=> &(#value));
                let expected = quote_spanned!(at(cache.name.span())=> &__cached::Cache);
                quote_spanned! {mixed=>
                    let __cached_begun = {
                        let __cached_cache: #expected = #value;
                        let __cached_cache = ::core::option::Option::Some(__cached_cache);
                        #begin(&__CACHED_SITE, &|| (), &__cached_returned, __cached_cache, #key)
                    };
                }
            }
        }
    }
}

/// From how many tokens on a type may be too complex for clippy's taste.
const LONG_TYPE: usize = 12;

/// The macro's own span at the place of another. What has it is not taken for the user's by lints.
fn at(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}

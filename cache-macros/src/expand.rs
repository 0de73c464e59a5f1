//! From the model to tokens.
//!
//! One function becomes one function. What it does at run time is in the runtime's `__private`; this
//! is only the order of the calls, and where each of them stands, so that errors point at the user's
//! own tokens.

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{FnArg, ReturnType, Signature, spanned::Spanned};

use crate::{
    model::Model,
    options::{Tiers, Ttl},
};

mod key;
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
///     let returned = ..;                              // what the return type is, and its bounds
///     let begun = begin(&SITE, .., |key| ..);         // looks into the tiers
///     match begun {
///         Ok(output) => output,
///         Err(missed) => {
///             let keep = ..;                          // what becomes of a loaded value
///             mode.launch(missed, keep, || async move { BODY }).await
///         }
///     }
/// }
/// ```
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
    let mut block = Group::new(
        Delimiter::Brace,
        quote_spanned! {Span::mixed_site()=>
            #inner_attributes
            #import
            #site
            #returned
            #peeked
            #begun
            match __cached_begun {
                ::core::result::Result::Ok(__cached_output) => __cached_output,
                ::core::result::Result::Err(__cached_missed) => {
                    #keep
                    #load
                }
            }
        },
    );
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
        let (output, output_span) = match &signature.output {
            ReturnType::Type(_, ty) => (ty.to_token_stream(), ty.span()),
            ReturnType::Default => (
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
        let output = &self.output;
        let assertion = quote_spanned! {at(self.output_span)=>
            __cached::returned(__cached_shape, __cached_errors)
        };
        quote_spanned! {Span::mixed_site()=>
            let __cached_returned = {
                use __cached::{
                    ProbeFallibleOptional as _, ProbeLayer as _, ProbePlain as _, ProbeShared as _, ProbeUnshared as _,
                };
                let __cached_probe = __cached::Probe::of(|| -> #output { loop {} });
                let __cached_shape = (&&&__cached_probe).shape();
                let __cached_errors = (&&__cached::ErrorProbe::of(&__cached_shape)).sharing();
                #assertion
            };
        }
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

    /// What becomes of a loaded value.
    fn keep(&self) -> TokenStream {
        let model = self.model;
        let options = &model.options;
        let mixed = Span::mixed_site();
        let ttl = options.ttl.as_ref().map(|ttl| match &ttl.value {
            Ttl::Fixed(time) => {
                let time = time.to_tokens(ttl.name.span());
                quote_spanned!(mixed=> __cached::Ttl::Fixed(#time))
            }
            Ttl::Of(closure) => quote_spanned!(mixed=> __cached::Ttl::Of(#closure)),
        });
        let mut keep = quote_spanned! {mixed=>
            let __cached_keep = __cached::Keep::new(&__cached_returned, __cached_travel, #ttl);
        };
        for given in [&options.none_ttl, &options.err_ttl].into_iter().flatten() {
            let time = given.value.to_tokens(given.name.span());
            keep.extend(call(&given.name, &time));
        }
        for given in [&options.keep_if, &options.weight].into_iter().flatten() {
            keep.extend(call(&given.name, &given.value));
        }
        let travel = self.travel();
        quote_spanned!(mixed=> #travel #keep)
    }

    /// How the value is weighed and, where it leaves the process, the assertion that it can.
    fn travel(&self) -> TokenStream {
        let is_local = self.model.options.is_local();
        let assertion = (!is_local).then(|| {
            quote_spanned! {at(self.output_span)=>
                let __cached_travel = __cached::travels(__cached_travel);
            }
        });
        // Not asked where it does not matter: the answer for a value with a lifetime, `&'static str`
        // among them, is an error and not a no.
        let probe = (!is_local).then(|| quote_spanned!(Span::mixed_site()=> ProbeTravel as _,));
        // At the place of the assertion, so that what both report is one error.
        let weigh = quote_spanned! {at(self.output_span)=>
            (&&&__cached::TravelProbe::of(&__cached_returned)).weigh()
        };
        quote_spanned! {Span::mixed_site()=>
            let __cached_travel = {
                use __cached::{ProbeSize as _, #probe ProbeWeigh as _};
                #weigh
            };
            #assertion
        }
    }
}

/// A call of the method that is named as the option, at the option.
fn call(option: &Ident, argument: &dyn ToTokens) -> TokenStream {
    let place = at(option.span());
    let method = Ident::new(&option.to_string(), place);
    quote_spanned!(place=> let __cached_keep = __cached_keep.#method(#argument);)
}

/// The macro's own span at the place of another. What has it is not taken for the user's by lints.
fn at(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}

//! From the model to tokens.
//!
//! One function becomes one function. What it does at run time is in the runtime's `__private`; this
//! is only the order of the calls, and where each of them stands, so that errors point at the user's
//! own tokens.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{FnArg, ReturnType, Signature, spanned::Spanned};

use crate::{
    model::Model,
    options::{Tiers, Ttl},
    spans,
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
    /// The path of the runtime's `__private`.
    private: TokenStream,
    /// The return type.
    output: TokenStream,
    output_span: Span,
}

impl<'a> Context<'a> {
    fn new(model: &'a Model) -> Self {
        let mixed = Span::mixed_site();
        let renamed = model
            .options
            .krate
            .as_ref()
            .map(|path| path.value.to_token_stream());
        let runtime = renamed.unwrap_or_else(|| quote_spanned!(mixed=> ::cache_core));
        let private = quote_spanned!(mixed=> #runtime::__private);
        let signature = &model.function.signature;
        let (output, output_span) = match &signature.output {
            ReturnType::Type(_, ty) => (ty.to_token_stream(), ty.span()),
            ReturnType::Default => (quote_spanned!(mixed=> ()), signature.ident.span()),
        };
        Self {
            model,
            private,
            output,
            output_span,
        }
    }

    /// The path of the runtime, at a place of the user's.
    fn private_at(&self, place: Span) -> TokenStream {
        spans::all_at(place, self.private.clone())
    }

    fn site(&self) -> TokenStream {
        let Self { model, private, .. } = self;
        let mixed = Span::mixed_site();
        let mut site = quote_spanned!(mixed=> #private::Site::new());
        if let Some(name) = &model.options.name {
            let name = &name.value;
            site.extend(quote_spanned!(mixed=> .named(#name)));
        }
        if let Some(version) = &model.options.version {
            let version = version.value;
            site.extend(quote_spanned!(mixed=> .versioned(#version)));
        }
        match model.options.tiers.as_ref().map(|tiers| tiers.value) {
            None | Some(Tiers::Both) => {}
            Some(Tiers::Memory) => {
                site.extend(quote_spanned!(mixed=> .tiers(#private::Tiers::Memory)));
            }
            Some(Tiers::Redis) => {
                site.extend(quote_spanned!(mixed=> .tiers(#private::Tiers::Redis)));
            }
        }
        if let Some(loads) = &model.options.max_concurrent_loads {
            let loads = loads.value;
            site.extend(quote_spanned!(mixed=> .max_concurrent_loads(#loads)));
        }
        quote_spanned!(mixed=> static __CACHED_SITE: #private::Site = #site;)
    }

    /// Which shape the return type has. The last call asserts its bounds.
    fn returned(&self) -> TokenStream {
        let Self {
            private,
            output,
            output_span,
            ..
        } = self;
        let assertion = self.private_at(*output_span);
        let assertion = quote_spanned! {spans::at(*output_span)=>
            #assertion::returned(__cached_shape, __cached_errors)
        };
        quote_spanned! {Span::mixed_site()=>
            let __cached_returned = {
                use #private::{
                    ProbeFallibleOptional as _, ProbeLayer as _, ProbePlain as _, ProbeShared as _, ProbeUnshared as _,
                };
                let __cached_shape = (&&&#private::Probe::<#output>::NEW).shape();
                let __cached_errors = (&&#private::ErrorProbe::of(&__cached_shape)).sharing();
                #assertion
            };
        }
    }

    fn begun(&self) -> TokenStream {
        let private = &self.private;
        let cache = self.cache();
        let key = self.key();
        quote_spanned! {Span::mixed_site()=>
            let __cached_begun = #private::begin(&__CACHED_SITE, &|| (), &__cached_returned, #cache, #key);
        }
    }

    /// Another cache than the installed one.
    fn cache(&self) -> TokenStream {
        let private = &self.private;
        let Some(cache) = &self.model.options.cache else {
            return quote_spanned!(Span::mixed_site()=> ::core::option::Option::None::<&#private::Cache>);
        };
        let (value, place) = (&cache.value, cache.value.span());
        let private = self.private_at(place);
        quote_spanned! {spans::at(place)=>
            ::core::option::Option::Some::<&#private::Cache>(&(#value))
        }
    }

    /// What becomes of a loaded value.
    fn keep(&self) -> TokenStream {
        let Self { model, private, .. } = self;
        let options = &model.options;
        let mixed = Span::mixed_site();
        let mut keep = quote_spanned!(mixed=> #private::Keep::new);
        let ttl = options.ttl.as_ref().map(|ttl| match &ttl.value {
            Ttl::Fixed(time) => {
                let time = time.to_tokens(ttl.name.span());
                quote_spanned!(mixed=> #private::Ttl::Fixed(#time))
            }
            Ttl::Of(closure) => quote_spanned!(mixed=> #private::Ttl::Of(#closure)),
        });
        keep.extend(quote_spanned!(mixed=> (&__cached_returned, __cached_travel, #ttl)));
        for given in [&options.none_ttl, &options.err_ttl].into_iter().flatten() {
            let time = given.value.to_tokens(given.name.span());
            keep.extend(call(&given.name, &time));
        }
        for given in [&options.keep_if, &options.weight].into_iter().flatten() {
            keep.extend(call(&given.name, &given.value));
        }
        let travel = self.travel();
        quote_spanned!(mixed=> #travel let __cached_keep = #keep;)
    }

    /// How the value is weighed and, where it leaves the process, the assertion that it can.
    fn travel(&self) -> TokenStream {
        let Self {
            model,
            private,
            output_span,
            ..
        } = self;
        let is_local = model
            .options
            .tiers
            .as_ref()
            .is_some_and(|tiers| tiers.value == Tiers::Memory);
        let assertion = (!is_local).then(|| {
            let private = self.private_at(*output_span);
            quote_spanned! {spans::at(*output_span)=>
                let __cached_travel = #private::travels(__cached_travel);
            }
        });
        // Not asked where it does not matter: the answer for a value with a lifetime, `&'static str`
        // among them, is an error and not a no.
        let probe = (!is_local).then(|| quote_spanned!(Span::mixed_site()=> ProbeTravel as _,));
        quote_spanned! {Span::mixed_site()=>
            let __cached_travel = {
                use #private::{ProbeSize as _, #probe ProbeWeigh as _};
                (&&&#private::TravelProbe::of(&__cached_returned)).weigh()
            };
            #assertion
        }
    }
}

/// A call of the method that is named as the option.
fn call(option: &Ident, argument: &dyn ToTokens) -> TokenStream {
    let method = Ident::new(&option.to_string(), spans::at(option.span()));
    quote_spanned!(Span::mixed_site()=> .#method(#argument))
}

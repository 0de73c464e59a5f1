//! From the model to tokens.
//!
//! One function becomes one function. What it does at run time is in the runtime's `__private`; this
//! is only the order of the calls, and where each of them stands, so that errors point at the user's
//! own tokens.

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Expr, FnArg, Path, Signature, spanned::Spanned};

use self::body::Output;
use crate::{
    features::Features,
    graph,
    model::Model,
    options::{Given, Tiers},
};

mod batch;
pub(crate) mod body;
mod interests;
mod keep;
mod key;
pub(crate) mod key_shape;
mod load;
pub(crate) mod names;
mod strategy;

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
///     const SITE = ..;
///     let begin = move |instance| {
///         let returned = ..;                             // what the return type is, and its bounds
///         let begun = begin(instance, .., &|key| ..);    // looks into memory
///         match begun {
///             Ok(output) => Ok(output),
///             Err(missed) => {
///                 let keep = ..;                         // what becomes of a loaded value
///                 Err(mode.launch(missed, &keep, async move { BODY }))
///             }
///         }
///     };
///     'answer: {
///         {
///             let instance = Instance::of(SITE, &begin);
///             match begin(instance) {
///                 Ok(output) => break 'answer output,
///                 Err(answering) => answering,
///             }
///         }
///         .await
///     }
/// }
/// ```
///
/// What waits for nothing is in a closure: in the `async` function itself each call would be compiled with
/// what undoes it. Its type, which no other function has, stands for the function. Nothing is left of it but what is
/// awaited: else the future would hold both.
///
/// A function that returns a boxed future does the same in a boxed `async` block, and `BODY` makes the
/// future of the load.
pub(crate) fn expand(model: &Model, features: Features) -> TokenStream {
    let context = Context::new(model);
    let attributes = &model.function.attributes;
    let visibility = &model.function.visibility;
    let signature = signature(model);
    let inner_attributes = &model.function.inner_attributes;
    let import = import(model.options.krate.as_ref());
    let site = context.site();
    let registered = graph::cached(
        features,
        &signature,
        model.options.name.as_ref(),
        model.options.invalidate_on.as_ref(),
    );
    if let Some(batch) = &model.options.batch {
        let mut answer = context.batched(&batch.value);
        if model.function.boxed.is_some() {
            answer =
                quote_spanned!(Span::mixed_site()=> ::std::boxed::Box::pin(async move { #answer }));
        }
        let mut block = Group::new(
            Delimiter::Brace,
            quote!(#inner_attributes #import #site #registered #answer),
        );
        block.set_span(model.function.braces);
        return quote!(#(#attributes)* #visibility #signature #block);
    }
    let returned = context.returned();
    let (peeked, (may_prefetch, prefetch)) = (context.peeked(), context.prefetch().unzip());
    let begun = context.begun();
    let keep = context.keep();
    let load = context.load();
    let mut answer = quote_spanned! {Span::mixed_site()=>
        #import
        #site
        #registered
        let __cached_begin = move |__cached_instance| {
            #returned
            #peeked
            #may_prefetch
            #begun
            #prefetch
            match __cached_begun {
                ::core::result::Result::Ok(__cached_output) => ::core::result::Result::Ok(__cached_output),
                ::core::result::Result::Err(__cached_missed) => {
                    #keep
                    ::core::result::Result::Err(#load)
                }
            }
        };
        '__cached_answer: {
            {
                let __cached_instance = __cached::Instance::of(__CACHED_SITE, &__cached_begin);
                let __cached_answering = match __cached_begin(__cached_instance) {
                    ::core::result::Result::Ok(__cached_output) => break '__cached_answer __cached_output,
                    ::core::result::Result::Err(__cached_answering) => __cached_answering,
                };
                __cached_answering
            }
            .await
        }
    };
    if model.function.boxed.is_some() {
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
    output: Output,
}

impl<'a> Context<'a> {
    fn new(model: &'a Model) -> Self {
        Self {
            model,
            output: Output::of(&model.function),
        }
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
        if !model.options.is_memory_only() {
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
        if let Some(listened) = &model.options.invalidate_on {
            let late = listened.value.by_value.is_some();
            site.extend(quote_spanned!(mixed=> .invalidated(#late)));
        }
        if model.options.inherits.is_some() {
            site.extend(quote_spanned!(mixed=> .inherits()));
        }
        if model.options.batch.is_some() {
            site.extend(quote_spanned!(mixed=> .batched()));
        }
        if model.options.fleet.is_some() {
            site.extend(quote_spanned!(mixed=> .fleet()));
        }
        if let Some(settle) = &model.options.settle {
            let time = settle.value.to_tokens(settle.name.span());
            site.extend(quote_spanned!(mixed=> .settle(#time)));
        }
        site.extend(self.strategy());
        quote_spanned!(mixed=> const __CACHED_SITE: &__cached::Site = &#site;)
    }

    /// Which shape the return type has. The last call asserts its bounds.
    ///
    /// The return type does not stand between `<` and `>`: there the compiler has other words for one that
    /// is misspelt, and would report it a second time.
    fn returned(&self) -> TokenStream {
        let (output, allow) = (&self.output.ty, self.output.allow_complexity());
        let probe = if self.model.options.batch.is_some() {
            quote_spanned!(at(self.output.span)=> __cached::each(|| -> #output { loop {} }))
        } else {
            quote_spanned!(Span::mixed_site()=> __cached::Probe::of(|| -> #output { loop {} }))
        };
        let assertion = quote_spanned! {at(self.output.span)=>
            __cached::returned(__cached_shape, __cached_errors)
        };
        quote_spanned! {Span::mixed_site()=>
            let __cached_returned = {
                use __cached::{
                    ProbeFallibleOptional as _, ProbeLayer as _, ProbePlain as _, ProbeShared as _, ProbeUnshared as _,
                };
                #allow
                let __cached_probe = #probe;
                let __cached_shape = (&&&__cached_probe).__cached_shape();
                let __cached_errors = (&&__cached::ErrorProbe::of(&__cached_shape)).__cached_sharing();
                #assertion
            };
        }
    }

    /// Whether the call that the option names is to begin, which is known before this one has; and what begins it, behind
    /// the look into memory and before the load takes the arguments.
    fn prefetch(&self) -> Option<(TokenStream, TokenStream)> {
        let given = self.model.options.prefetch.as_ref()?;
        let (place, next) = (at(given.name.span()), &given.value);
        Some((
            quote_spanned!(place=> let __cached_may_prefetch = __cached::may_prefetch();),
            quote_spanned!(place=> __cached::prefetch(__cached_may_prefetch, || #next);),
        ))
    }

    fn begun(&self) -> TokenStream {
        let mixed = Span::mixed_site();
        let key = self.key();
        let interests = self.interests();
        let begin = quote_spanned!(mixed=> __cached::begin);
        let cache = cache(self.model.options.cache.as_ref());
        let call = quote_spanned! {mixed=>
            #begin(__cached_instance, &__cached_returned, __cached_cache, &#key, #interests)
        };
        quote_spanned!(mixed=> let __cached_begun = { #cache #call };)
    }
}

/// One import, so that a path which leads nowhere is one error.
pub(crate) fn import(krate: Option<&Given<Path>>) -> TokenStream {
    let mixed = Span::mixed_site();
    let Some(krate) = krate else {
        return quote_spanned!(mixed=> use ::cache_core::__private as __cached;);
    };
    let path = &krate.value;
    let last = path.segments.last().map_or(mixed, Spanned::span);
    let private = Ident::new("__cache_core", at(last));
    quote_spanned!(at(last)=> use #path::#private as __cached;)
}

/// The cache of the option, if there is one. The type stands at the option, where the error says that it is
/// expected.
pub(crate) fn cache(option: Option<&Given<Expr>>) -> TokenStream {
    let mixed = Span::mixed_site();
    let Some(cache) = option else {
        return quote_spanned!(mixed=> let __cached_cache = ::core::option::Option::None;);
    };
    let value = &cache.value;
    let value = quote_spanned!(at(value.span())=> &(#value));
    let expected = quote_spanned!(at(cache.name.span())=> &__cached::Cache);
    quote_spanned! {mixed=>
        let __cached_cache: #expected = #value;
        let __cached_cache = ::core::option::Option::Some(__cached_cache);
    }
}

/// The macro's own span at the place of another. What has it is not taken for the user's by lints.
pub(crate) fn at(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}

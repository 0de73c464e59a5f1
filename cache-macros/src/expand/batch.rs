//! A function of many keys: each of them is a call of its own, and the body is the load of several.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Expr, Type, spanned::Spanned};

use super::{Context, at, cache};
use crate::{argument::Argument, function::find, model::Part, options::Batch};

/// How many keys one load has at most, unless the option says so.
const MOST: u32 = 100;

impl Context<'_> {
    /// Input:
    ///
    /// ```text
    /// #[cached(batch(id in ids), ..)]
    /// async fn users(db: &Db, ids: &[u64]) -> Result<HashMap<u64, User>, DbError> { BODY }
    /// ```
    ///
    /// What stands in place of the body:
    ///
    /// ```text
    /// let returned = ..;                              // what there is for each key
    /// let keep = ..;
    /// Batch { instance: Instance::of(SITE, ..), .. }
    ///     .run(ids, Element { .. }, || {
    ///         let held0 = Arc::new(Detached.hold(db));   // for all loads of the call
    ///         move |keys| { let held0 = Arc::clone(&held0); async move { let ids = &*keys; BODY } }
    ///     })
    ///     .await
    /// ```
    pub(super) fn batched(&self, batch: &Batch) -> TokenStream {
        let mixed = Span::mixed_site();
        let (returned, keep) = (self.returned(), self.keep());
        let cache = cache(self.model.options.cache.as_ref());
        let most = Literal::u32_unsuffixed(batch.most.unwrap_or(MOST));
        let names_element = |ident: &Ident| *ident == batch.element;
        let is_common = |part: &&Part| match part {
            Part::Expr(expr) => find(expr.to_token_stream(), &names_element).is_none(),
            Part::Text(_) | Part::Argument(_) => true,
        };
        let key = self.key_writes(self.model.key.iter());
        let common = self.key_writes(self.model.key.iter().filter(is_common));
        let interests = self.interests_of(&batch.element);
        let element = element(&batch.element);
        let Some(elements) = self.elements() else {
            return TokenStream::new();
        };
        let (owns, holds, body) = (self.owns(), self.holds_again(), self.body());
        // Where the return type is asked what it is, so that what all report is one error.
        let place = at(self.output.span);
        let run = Ident::new("run", place);
        let keys = elements.outer_at(batch.elements.span());
        let common = quote_spanned!(mixed=> &|__cached_key| { let _ = &__cached_key; #common __cached::Written });
        let each = quote_spanned! {place=>
            &__cached::Element {
                key: &|__cached_element, __cached_key| { #element #key __cached::Written },
                common: #common,
                interests: #interests,
            }
        };
        quote_spanned! {mixed=>
            #returned
            #keep
            #cache
            __cached::Batch {
                instance: __cached::Instance::of(__CACHED_SITE, &|| ()),
                returned: &__cached_returned,
                keep: &__cached_keep,
                cache: __cached_cache,
                most: #most,
            }
            .#run(
                #keys.iter().cloned(),
                #each,
                || { #owns move |__cached_keys| { #holds async move #body } },
            )
            .await
        }
    }

    /// Gives all loads of a call what they need of the arguments.
    fn owns(&self) -> TokenStream {
        let mut owns = self.holds();
        for (held, cfgs) in self.held_ones() {
            let place = held.span();
            owns.extend(quote_spanned!(place=> #cfgs let #held = ::std::sync::Arc::new(#held);));
        }
        owns.extend(self.clones());
        owns
    }

    /// Gives one load its own.
    fn holds_again(&self) -> TokenStream {
        let mut holds = TokenStream::new();
        for (held, cfgs) in self.held_ones() {
            let place = held.span();
            holds
                .extend(quote_spanned!(place=> #cfgs let #held = ::std::sync::Arc::clone(&#held);));
        }
        holds.extend(self.clones());
        holds
    }

    /// Copies of the arguments that are no references.
    fn clones(&self) -> TokenStream {
        let is_owned =
            |argument: &&Argument| argument.referent().is_none() && !self.is_elements(argument);
        let owned = self.model.arguments.iter().filter(is_owned);
        let clones = owned.map(|argument| {
            let (place, cfgs) = (argument.ty.span(), argument.cfgs());
            let outer = argument.outer_at(place);
            quote_spanned!(at(place)=> #(#cfgs)* let #outer = ::core::clone::Clone::clone(&#outer);)
        });
        clones.collect()
    }

    /// The argument that holds the keys of a batch.
    pub(super) fn elements(&self) -> Option<&Argument> {
        let batch = self.model.options.batch.as_ref()?;
        let name = &batch.value.elements;
        let mut arguments = self.model.arguments.iter();
        arguments.find(|argument| argument.names.contains(name))
    }

    /// Whether this is one key of a batch, and nothing else.
    pub(super) fn is_element(&self, expr: &Expr) -> bool {
        let batch = self.model.options.batch.as_ref();
        batch.is_some_and(
            |batch| matches!(expr, Expr::Path(path) if path.path.is_ident(&batch.value.element)),
        )
    }

    /// Whether the argument holds the keys of a batch.
    pub(super) fn is_elements(&self, argument: &Argument) -> bool {
        self.elements()
            .is_some_and(|elements| elements.outer == argument.outer)
    }
}

/// One key under its name, as a value of its own.
pub(super) fn element(name: &Ident) -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #[allow(unused_variables)]
        let #name = ::core::clone::Clone::clone(__cached_element);
    }
}

/// The keys of one load as the body knows them.
pub(super) fn elements_of(argument: &Argument) -> TokenStream {
    let place = at(argument.outer.span());
    match argument.referent() {
        Some(Type::Slice(_)) => quote_spanned!(place=> &*__cached_keys),
        Some(_) => quote_spanned!(place=> &__cached_keys),
        None => quote_spanned!(place=> __cached_keys),
    }
}

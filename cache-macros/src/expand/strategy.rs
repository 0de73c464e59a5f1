//! What becomes of values as they grow old: the static part for the site, and what looks at errors for the rest.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};

use super::{Context, at, keep::call};
use crate::options::{Kind, Strategy};

impl Context<'_> {
    /// The call that gives the site its strategies, where there are some.
    pub(super) fn strategy(&self) -> TokenStream {
        let options = &self.model.options;
        let mut strategy = TokenStream::new();
        for Strategy { name, kind } in options.strategies() {
            let argument = match kind {
                Kind::ReadThrough => continue,
                Kind::RefreshAhead(part) => part.to_token_stream(),
                Kind::EarlyExpiration => TokenStream::new(),
                Kind::StaleWhileRevalidate(time)
                | Kind::StaleIfError { time, .. }
                | Kind::StaleIfInvalidated(time) => time.to_tokens(name.span()),
            };
            strategy.extend(quote_spanned!(at(name.span())=> .#name(#argument)));
            if let Kind::StaleIfError {
                unproven: Some(unproven),
                ..
            } = kind
            {
                strategy.extend(quote_spanned!(at(unproven.span())=> .#unproven()));
            }
        }
        for given in [&options.soft_timeout, &options.timeout]
            .into_iter()
            .flatten()
        {
            let (name, time) = (&given.name, given.value.to_tokens(given.name.span()));
            strategy.extend(quote_spanned!(at(name.span())=> .#name(#time)));
        }
        if strategy.is_empty() {
            return strategy;
        }
        quote_spanned! {Span::mixed_site()=>
            .aging(const { &__cached::Aging::by(__cached::Strategy::new() #strategy) })
        }
    }

    /// What is to know the type of the error.
    pub(super) fn stand_ins(&self) -> TokenStream {
        let options = &self.model.options;
        let mut keep = TokenStream::new();
        for Strategy { name, kind } in options.strategies() {
            if let Kind::StaleIfError { stands_in, .. } = kind {
                let stands_in = stands_in.as_ref().map_or_else(
                    || quote_spanned!(at(name.span())=> |_| true),
                    ToTokens::to_token_stream,
                );
                keep.extend(call(name, None, Some(&stands_in)));
            }
        }
        if let Some(given) = &options.timeout {
            keep.extend(call(&given.name, None, None));
        }
        keep
    }
}

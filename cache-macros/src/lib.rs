//! The attribute macros of `cache-core`; use them through that crate.

use proc_macro::TokenStream;

mod cache_key;

/// Derives `CacheKey`.
#[proc_macro_derive(CacheKey, attributes(cache_key))]
pub fn derive_cache_key(input: TokenStream) -> TokenStream {
    cache_key::expand(input.into()).into()
}

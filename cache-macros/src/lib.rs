//! The attribute macros of `cache-core`; use them through that crate.

mod argument;
mod cache_key;
mod cached;
mod duration;
mod expand;
mod function;
mod mistakes;
mod model;
mod options;
mod parse;
mod self_rename;
mod spans;
mod suggest;
mod text_key;

use proc_macro::TokenStream;

/// Caches an async function. The call site does not change.
///
/// ```text
/// #[cached(ttl = 5m, skip(db))]
/// pub async fn user(db: &Db, id: u64) -> Result<Option<User>, DbError> {
///     db.fetch_user(id).await
/// }
/// ```
#[proc_macro_attribute]
pub fn cached(options: TokenStream, item: TokenStream) -> TokenStream {
    cached::expand(options.into(), item.into()).into()
}

/// Makes a type a part of keys.
#[proc_macro_derive(CacheKey, attributes(cache_key))]
pub fn derive_cache_key(input: TokenStream) -> TokenStream {
    cache_key::expand(input.into()).into()
}

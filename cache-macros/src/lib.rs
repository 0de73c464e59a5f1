//! The attribute macros of `cache-core`; use them through that crate.
//!
//! The way of `#[cached]` through the files: `parse` reads the options by the table in `options`,
//! `function` and `argument` read the item, `model` checks one against the other, `expand` writes.

#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod argument;
mod boxed;
mod cache_key;
mod cached;
mod duration;
mod expand;
mod features;
mod function;
mod mistakes;
mod model;
mod options;
mod parse;
mod pattern;
mod self_rename;
mod suggest;
#[cfg(test)]
mod tests;
mod text_key;

use proc_macro::TokenStream;

/// Caches an async function. The call site does not change.
///
/// ```text
/// #[cached(ttl = 5m, skip(db), none_ttl = 10s)]
/// pub async fn user(db: &Db, id: u64) -> Result<Option<User>, DbError> {
///     db.fetch_user(id).await
/// }
/// ```
///
/// | option | forms | meaning |
/// |---|---|---|
/// | `ttl` | `5m`, `1h30m`, `500ms`, an expression of type `Duration`, `\|value\| expr` | how long an entry is fresh; required |
/// | `key` | `id`, `(tenant, id)`, `()`, `"user:{tenant}:{id}"` | what identifies the value; all arguments where it is not given |
/// | `skip(..)` | names of arguments, `self` | what is not part of the default key: pools, clients |
/// | `strategy` | `read_through` | what a read does |
/// | `tiers` | `both`, `memory`, `redis` | where entries are kept; `memory` needs no serde, `redis` keeps nothing while there is no shared tier |
/// | `none_ttl` | like `ttl`, without the closure | how long `None` is fresh; like any other value where it is not given |
/// | `err_ttl` | like `none_ttl` | how long `Err` is fresh; not kept where it is not given |
/// | `keep_if` | `\|value\| expr`, a path | whether a value is kept |
/// | `weight` | `\|value\| expr`, a path | how many bytes an entry counts for in memory |
/// | `max_concurrent_loads` | a number from 1 | how many loads of this function run at once, 16 where it is not given |
/// | `version` | a number | another version starts with no entries |
/// | `name` | text | stands for `module::function` in keys, so that a move keeps the entries |
/// | `codec` | `postcard`, `json`, `msgpack`, the path of a type | how values are written for the shared tier; `json` and `msgpack` need the feature of their name, `postcard` is taken where it is not given |
/// | `compress` | a number of bytes: `4096`, `4KiB`, `1MiB` | the least size of a value that is compressed for the shared tier; needs the feature `lz4` or `zstd` |
/// | `inline`, `detached` | | where the load runs: in the caller's task, or in its own with owned copies of the arguments |
/// | `cache` | an expression that derefs to `Cache` | another cache than the installed one |
/// | `crate` | a path | where `cache_core` is, if not at `::cache_core` |
///
/// A method says whether `self` identifies the value, by `skip(self)` or `key`. In closures `value` is
/// what is kept: `&T` of `T`, `Option<T>`, `Result<T, E>` and `Result<Option<T>, E>`.
///
/// `weight` and `err_ttl` are about memory and refused beside `tiers = redis`; `codec`, `compress`
/// and `version` are about the shared tier and refused beside `tiers = memory`.
///
/// The expressions in options are evaluated in the caller: `cache` and `key` for every call, `key` once
/// more where Redis or a handle needs it as text, `ttl`, `none_ttl` and `err_ttl` for every call that
/// memory does not answer.
///
/// # Which functions
///
/// An `async fn` whose future is `Send` and whose value is owned and has a name: free, associated, a method, in a trait implementation or the
/// provided method of a trait, generic or not; not `unsafe`, `extern` or with `&mut self`. Each
/// instantiation has entries of its own. Under `#[async_trait]` the attribute goes on the methods, as on those of any other trait.
///
/// A function that returns `Pin<Box<dyn Future<Output = T> + Send>>`, or `BoxFuture<'_, T>`, counts as an
/// `async fn` that returns `T`; its body runs when the future is first polled. A function that calls itself
/// is written like this, because the compiler cannot see that the future of an `async fn` is `Send` before
/// it has read the body:
///
/// ```text
/// #[cached(ttl = 1h)]
/// fn factorial(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
///     Box::pin(async move { if n == 0 { 1 } else { n * factorial(n - 1).await } })
/// }
/// ```
///
/// Free functions whose arguments are owned, or `&T` with a `T` that can be cloned, load in a task of their
/// own; with `inline` they do not. The type parameters of an `impl` are not seen: an associated function
/// with arguments of such a type writes `inline`, or `T: 'static`.
///
/// # Beside other attributes
///
/// Above `#[cached]`, `#[tracing::instrument]` makes a span for each load: a hit has none. Below it,
/// it makes one for each call, hits and handles included, and a load runs inside the span of the call that
/// began it.
#[proc_macro_attribute]
pub fn cached(options: TokenStream, item: TokenStream) -> TokenStream {
    cached::expand(options.into(), item.into()).into()
}

/// Makes a struct or an enum a part of keys: its fields in their order, an enum by the name of its variant.
///
/// `#[cache_key(crate = path)]` says where `cache_core` is, if not at `::cache_core`.
#[proc_macro_derive(CacheKey, attributes(cache_key))]
pub fn derive_cache_key(input: TokenStream) -> TokenStream {
    cache_key::expand(input.into()).into()
}

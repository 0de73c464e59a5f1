//! The attribute macros of `cache-core`; use them through that crate.
//!
//! The way of `#[cached]` through the files: `parse` reads the options by the table in `options`,
//! `function` and `argument` read the item, `model` checks one against the other, `expand` writes.
//! `invalidates` does the same for `#[invalidates]`. Both read events by `literal`; `event` derives them,
//! and `graph` registers who does what with them.

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
mod event;
mod expand;
mod features;
mod function;
mod graph;
mod invalidates;
mod literal;
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

use self::features::Features;

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
/// | `key` | `id`, `(tenant, id)`, `()`, `"user:{tenant}:{id}"` | what identifies the value; by default all arguments |
/// | `skip(..)` | names of arguments, `self` | what is not part of the default key: pools, clients |
/// | `invalidate_on` | `UserChanged { id }`, `OrderChanged { tenant, .. }`, `[A { id }, B { .. }]`, `\|value\| UserChanged { id: value.id }` | the events that invalidate an entry: struct literals over the arguments, or over the value |
/// | `inherits` | | the events of cached functions that the body calls invalidate its entries too, which stay in memory |
/// | `settle` | like `none_ttl`, and constant | how long the source may lag behind an event; a value loaded within that time is not kept for longer |
/// | `fleet` | | one process loads what no process has, and the others wait for it |
/// | `strategy` | `read_through`, `refresh_ahead(0.8)`, `early_expiration`, `stale_while_revalidate(1m)`, `stale_if_error(1h)`, `stale_if_error(1h, \|error\| expr)`, `stale_if_error(1h, unproven)`, `stale_if_invalidated(5s)`, several in `[..]` | what becomes of a value as it grows old; see the guide to strategies |
/// | `soft_timeout` | like `settle` | serves a stale value if the load takes longer; beside `stale_if_error` |
/// | `timeout` | like `settle` | gives an error if the load takes longer, made from `TimedOut` by `From` |
/// | `prefetch` | a call | another call to begin in the background |
/// | `batch(..)` | `id in ids`, `id in ids, max = 100` | the argument that holds many keys, and what one is called in `key` and `invalidate_on`; the function returns a map, or a `Result` of one. Strategies and handles are those of each key |
/// | `tiers` | `both`, `memory`, `redis` | where entries are kept; `memory` needs no serde, `redis` keeps nothing while there is no Redis |
/// | `none_ttl` | like `ttl`, without the closure | how long `None` is fresh; by default like any other value |
/// | `err_ttl` | like `none_ttl`, `\|error\| expr` | how long `Err` is fresh; by default not kept |
/// | `keep_if` | `\|value\| expr`, a path | whether a value is kept |
/// | `weight` | `\|value\| expr`, a path | how many bytes an entry counts for in memory |
/// | `max_concurrent_loads` | a number from 1 | how many loads of this function run at once, by default 16 |
/// | `version` | a number | another version starts with no entries |
/// | `name` | text | stands for `module::function` in keys, so that a move keeps the entries |
/// | `codec` | `postcard`, `json`, `msgpack`, the path of a type | how values are written for Redis; `json` and `msgpack` need the feature of their name, `postcard` is the default |
/// | `compress` | a number of bytes: `4096`, `4KiB`, `1MiB` | the least size of a value that is compressed for Redis; needs the feature `lz4` or `zstd` |
/// | `inline`, `detached` | | where the load runs: in the caller's task, or in its own with owned copies of the arguments |
/// | `cache` | an expression that derefs to `Cache` | another cache than the installed one |
/// | `crate` | a path | where `cache_core` is, if not at `::cache_core` |
///
/// A method says whether `self` identifies the value, by `skip(self)` or `key`. In closures `value` is what is kept: `&T`
/// of `T`, `Option<T>`, `Result<T, E>` and `Result<Option<T>, E>`.
///
/// `weight`, `err_ttl`, `inherits` and strategies are about memory and refused beside `tiers = redis`. `codec`,
/// `compress`, `version` and `fleet` are about Redis and refused beside `tiers = memory`, `inherits`, and an
/// `invalidate_on` that only the value tells.
///
/// The caller evaluates the expressions in options: `cache` once for every call; `key` two or three times, and once more
/// if Redis, a handle or a trace needs it as text; `ttl`, `none_ttl` and `err_ttl` for every call that memory does not
/// answer. They cannot leave it: no `.await`, no `?`, no `return`.
///
/// # Which functions
///
/// An `async fn` whose future is `Send` and whose value is owned and has a name: free, associated, a method, in a trait
/// implementation or the provided method of a trait, generic or not; not `unsafe`, `extern` or with `&mut self`. Each
/// instantiation has entries of its own. Under `#[async_trait]` write the attribute on the methods, as in any other
/// trait.
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
/// Free functions whose arguments are owned, or `&T` with a `T` that can be cloned, load in a task of their own, unless
/// they say `inline`. The macro cannot see the type parameters of an `impl`: an associated function with arguments of
/// such a type needs `inline`, or `T: 'static`.
///
/// # Beside other attributes
///
/// Above `#[cached]`, `#[tracing::instrument]` makes a span for each load: a hit has none. Below it, it makes one for
/// each call, hits and handles included, and a load runs inside the span of the call that began it.
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

/// Makes a struct an event: something that can change. Functions listen to it and emit it by its name and fields.
///
/// ```text
/// /// An order was placed, changed or cancelled.
/// #[derive(Event)]
/// pub struct OrderChanged {
///     pub tenant: String,
///     pub id: u64,
/// }
/// ```
///
/// Each field is a `CacheKey`. Their order is a hierarchy: `OrderChanged { tenant, .. }` is all orders of a tenant,
/// `OrderChanged { .. }` all orders. You can add a field at the end while processes run that do not know it. A field in
/// front of others makes another event, which those do not hear: give it another name, and emit both until they are gone.
///
/// | option | meaning |
/// |---|---|
/// | `#[event(name = "orders")]` | the name by which other processes know the event, in place of the type's name; without spaces and `:/{}` |
/// | `#[event(used_elsewhere)]` | silences the warnings below, and makes it no orphan of the graph (feature `graph`) |
/// | `#[event(crate = path)]` | where `cache_core` is, if not at `::cache_core` |
///
/// # Events that lead nowhere
///
/// If only its own crate can see an event, the compiler knows who uses it. ``method `nobody_emits_this` is never used``
/// means that nothing ever emits it, so it invalidates no entry. ``method `nobody_listens_to_this` is never used`` means
/// that emitting it has no effect. An event counts as
///
/// - emitted where `#[invalidates(..)]` or `event!(..)` names it, and where the expression in `#[invalidates(..)]` is
///   an event, or an `Option`, `Vec` or slice of some;
/// - listened to where `invalidate_on` names it.
///
/// The compiler does not see what becomes of a plain value: if only `cache.emit(UserChanged { id })` emits the event,
/// write `cache.emit(event!(UserChanged { id }))`. If other programs emit it or listen to it, write
/// `#[event(used_elsewhere)]`. Public events of a library never warn.
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    event::expand(input.into(), Features::BUILT).into()
}

/// Declares what an async function changes: in every process, each cached function that listens to one of these events
/// drops the entries that depend on it.
///
/// ```text
/// #[invalidates(UserChanged { id })]
/// pub async fn rename(db: &Db, id: u64, name: &str) -> Result<(), DbError> {
///     db.rename(id, name).await
/// }
/// ```
///
/// | what | forms |
/// |---|---|
/// | an event | `UserChanged { id }`, as a struct literal in the function's own scope |
/// | all below some fields | `OrderChanged { tenant, .. }`, `OrderChanged { .. }` |
/// | what the function returned | `result`: an event, or an `Option` or a `Vec` of events; for a `Result`, its `Ok` |
/// | several | `A { id }, B { tenant, .. }`, or an expression that gives an `Option`, a `Vec`, an array or a tuple of events |
/// | `on_ok` | an `Err` emits nothing: the function knows that a failed call has written nothing |
/// | `guarded` | the other processes know before the body runs, and if they cannot, the call is refused: `Result<_, E>` with `E: From<cache_core::Refused>`. What only `result` names is not guarded |
/// | `cache = expr` | another cache than the installed one |
/// | `crate = path` | where `cache_core` is, if not at `::cache_core` |
///
/// The events are emitted when the body has ended, whether in `Ok` or in `Err` (a write that failed may have written),
/// when it panics, and when the call is dropped half way. The caller gets the output after that. An event that only
/// `result` names is not known without one: a call that fails, panics or is dropped does not emit it.
///
/// Arguments are read once, before the body runs; an argument or a field of one is cloned, so that the body still has it.
/// Other expressions stay as they are written.
///
/// `result` in a field is what the function returned, by reference; for a `Result`, the `Ok`. While there is none, the
/// event ends before that field:
///
/// ```text
/// #[invalidates(OrderChanged { tenant, id: result.id })]    // `OrderChanged { tenant, .. }` until the order is there
/// async fn create(db: &Db, tenant: u64, order: NewOrder) -> Result<Order, DbError> { .. }
/// ```
///
/// # Which functions
///
/// An `async fn`, free, associated, a method with any `self`, or in a trait; one that returns a boxed future; the methods
/// of `#[async_trait]`. For a function that is not async, its caller awaits `cache.emit(..)`. A function is either cached
/// or changes something, not both.
///
/// # Beside other attributes
///
/// Attributes below `#[invalidates]` are part of its body, and those above are around it: put one that commits a
/// transaction below, so that the event comes after the commit.
#[proc_macro_attribute]
pub fn invalidates(options: TokenStream, item: TokenStream) -> TokenStream {
    invalidates::expand(options.into(), item.into()).into()
}

/// An event, or all events below some fields, for `Cache::emit` and `Cache::hold`.
///
/// ```text
/// cache.emit(event!(UserChanged { id })).await?;
/// cache.emit(event!(OrderChanged { tenant, .. })).await?;
/// ```
///
/// A whole event is the value that the literal is. With `..` the fields are read by reference, and the result is a
/// `Prefix<OrderChanged>`. `event!(.., crate = path)` says where `cache_core` is, if not at `::cache_core`.
#[proc_macro]
pub fn event(event: TokenStream) -> TokenStream {
    literal::by_hand::expand(event.into(), Features::BUILT).into()
}

//! Caching of async functions: one attribute, one load per key, bounded memory, shared through Redis.
//!
//! ```
//! use cache_core::cached;
//!
//! #[cached(ttl = 5m)]
//! async fn square(n: u64) -> u64 {
//!     n * n // runs once in five minutes for each `n`, however many call
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! assert_eq!(square(7).await, 49);
//! assert_eq!(square(7).await, 49); // from memory
//! # }
//! ```
//!
//! # Where to look
//!
//! - [`cached`] is the attribute, with a table of its options.
//! - [`Cache`] is where values are kept. Without one, a default of 64 MiB works for the whole process.
//! - [`CachedCall`] makes a call its own handle: refresh, evict, peek, put, bypass, prefetch, explain.
//! - [`Event`](derive@Event) is what can change, [`invalidates`] the attribute of functions that change it, and
//!   [`guide::coherence`] says what that promises.
//! - [`CacheKey`] is what arguments need to identify a value; derive it for your own types.
//! - `Redis` describes the server to use, including what a URL cannot express; `Tls` (feature `tls`) adds certificates.
//! - [`Codec`] is how values are written to Redis; implement it for those that serde does not know.
//! - `testing` (the feature of that name) has a clock that you move by hand and a stand-in for Redis.
//! - `graph` (the feature of that name) shows which functions emit which events, and which listen: [`guide::graph`] has a
//!   picture of one.
//! - [`guide::servers`] says which Redis can be connected to, with Sentinel, Cluster or TLS, and what to set there.
//! - [`Cache::stats`] and [`Cache::health`] say what a cache did and how it is. [`guide::metrics`] says how that gets to
//!   Prometheus, OpenTelemetry and probes, and which spans there are.
//! - [`guide`] has a page on [tests of code that caches](guide::testing), and one on [compile
//!   tests](guide::compile_tests) of what you build from the macros.
//!
//! # How a call flows
//!
//! The call hashes its arguments, and first looks at the entries that this thread used recently. If the entry is not
//! among them, it writes the key as bytes on the stack and looks in memory. A hit clones a fresh entry, without an
//! allocation, an await, or a lock beyond that of one shard. Otherwise the call joins the *flight* of its key, or starts
//! it; the first caller is the leader. It asks Redis, if the cache has one. If Redis does not answer within the budget,
//! it runs the body, which is called a *load*. All who wait share its value, and its error if that is `Clone`. If it is
//! not, they load for themselves, and the first success answers all who still wait.
//!
//! A load runs *detached*, in a task of its own with owned copies of the arguments, if all arguments are owned or `&T` of
//! a type that is `Clone + Send + Sync + 'static`. Once it has begun, such a load outlives its callers; it does not see
//! their task-locals. Otherwise it runs *inline*, in the task of its leader. If the leader is dropped, or left unpolled
//! for 50 ms, the next waiter takes over with its own arguments. The options `detached` and `inline` choose.
//!
//! A load that reaches its own key, or calls one that waits for it, runs that body uncached, as the plain function would,
//! and warns once: nothing deadlocks. The cache cannot see a task that the body spawns and then awaits: if that task
//! needs the body's own key or slot, both wait for ever.
//!
//! Write a function that calls itself as one that returns a boxed future ([`cached`] shows it). Inline, each level takes
//! about 16 KB of stack in a debug build, a third of that in a release: for a hundred levels and more write `detached`.
//!
//! A detached load runs on the runtime of the caller that began it. If that runtime is alive but nobody drives it, as
//! between two `block_on` of a current-thread runtime, its loads stand still, and callers on other runtimes wait for
//! them. Use `inline` where that can happen.
//!
//! # What goes through Redis
//!
//! An entry in Redis gets the rest of the value's lifetime, by the server's clock, so no process keeps it longer than the
//! one that loaded it. Its bytes are an envelope with a checksum around what the codec wrote. A process reads a value
//! only as a type of the same names and kinds as the one that was written, with `postcard` in the same order too; a codec
//! of your own answers for that itself. The key names the function and holds a fingerprint of the names and types of key
//! and value, of the codec and of the format. So two versions of a program neither read nor replace each other's entries.
//!
//! A task of its own writes values in batches, the latest of each key. At most 32 MiB or 8,192 changes wait to be
//! written; further values are dropped and counted. After repeated faults the cache stops reading, or stops writing,
//! until a probe in the background succeeds: separately, since a full server still answers.
//!
//! `evict`, `put` and `refresh` change the entry in Redis, and tell the other processes to forget what they have in
//! memory. If such a message gets lost, their entry lives on until its time is over: for what must not be stale, use
//! [events](guide::coherence).
//!
//! # What values need
//!
//! Values need `Clone + Send + Sync + 'static`, and serde's `Serialize + DeserializeOwned` unless the function says
//! `tiers = memory` or names a codec that does without. Errors need `Send + 'static`. The cache tells `Result` and
//! `Option` apart by type, so an alias of `Result` is one.
//!
//! # What it costs
//!
//! A hit costs 1.2 to 1.7 times a hand-written look-up in `quick_cache` if its thread used the entry recently. It
//! allocates nothing; if the thread has not, that holds for keys up to 128 bytes. `benches/README.md` in the repository
//! has the numbers. An entry costs its value, the part of its key beyond 40 bytes, and about 200 bytes.
//!
//! # Coming from other caches
//!
//! | coming from | there | here |
//! |---|---|---|
//! | `cached` | `time = 300`, `size = 1000` | `ttl = 5m`; memory is bounded by bytes, for all functions together |
//! | | `convert = r#"{ .. }"#`, `key = "String"` | `key = ..`, or nothing: all arguments are the key |
//! | | `result = true`, `option = true` | nothing: `Err` is not kept, `none_ttl` says how long `None` is |
//! | | `sync_writes = "by_key"` | nothing: loads are always shared, and errors that are `Clone` |
//! | `moka` | `get_with(key, init)` | `#[cached]` on the function that is `init` |
//! | | `invalidate(&key)`, `invalidate_all()` | `call(..).evict()`, `Cache::clear` |
//! | | `time_to_live`, `weigher` | `ttl`, `weight` |
//!
//! # For readers of the source
//!
//! A call goes from top to bottom: `call` (the hit, the miss, the handle's wishes), `context` (the scope, the question
//! and the load that surround it), `flight` (who loads and who waits), `slot` (how many load at once), `watchdog` (who is
//! no longer polled), `l1` (the entries in memory), `l2` (those in Redis: what is read and written, their bytes, the
//! client), `invalidate` (an event's way to all of them), `coherence` (the protocol by which nothing stale comes back,
//! without I/O), `event`, `key`, `value` and `site` (what is known of arguments, return types and functions), `batch`
//! (functions of many keys), `strategy` and `policy` (what becomes of old values), `warm`, `stats`, `spans`, `clock` and
//! `error`. `cache` holds them together; `health`, `export` and `advice` report on it. `handle`, `explain`, `traced` and
//! `testing` are what users call, `__private` is what expansions call, and `graph` is what a program knows of itself
//! before it runs. `tasks`, `function`, `process`, `lock`, `atomic` and `local` are leaves that the others use.

#![cfg_attr(
    not(feature = "redis"),
    allow(
        dead_code,
        unused_imports,
        reason = "without a second tier much of the first one has nothing to do"
    )
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    all(test, not(feature = "redis")),
    allow(
        dead_code,
        unused_imports,
        reason = "the simulator, which uses it, is a cluster of Redis as well"
    )
)]

// What the macros write names the crate.
#[cfg(test)]
extern crate self as cache_core;

#[cfg(cache_bench)]
#[doc(hidden)]
#[path = "bench.rs"]
pub mod __bench;
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
/// By this name `crate = path` looks for it: where the path leads elsewhere, the compiler says what is not there.
#[doc(hidden)]
pub use __private as __cache_core;
mod advice;
mod atomic;
mod batch;
mod cache;
mod call;
mod clock;
mod coherence;
mod context;
#[cfg(test)]
mod corpus;
mod error;
mod event;
mod explain;
mod export;
mod flight;
mod function;
#[cfg(feature = "graph")]
pub mod graph;
#[cfg(any(doc, doctest))]
pub mod guide;
mod handle;
mod health;
mod invalidate;
mod key;
mod l1;
mod l2;
mod lock;
mod policy;
mod process;
#[cfg(all(test, shuttled))]
mod shuttled;
#[cfg(all(test, feature = "redis"))]
mod simulation;
mod site;
mod slot;
mod spans;
mod stats;
mod strategy;
mod tasks;
#[cfg(feature = "testing")]
pub mod testing;
mod thread_locals;
mod traced;
mod value;
mod warm;
mod watchdog;

pub use advice::{Advice, Symptom};
pub use cache::{Cache, CacheBuilder, Leftover};
pub use cache_macros::{CacheKey, Event, cached, event, invalidates};
pub use clock::Clock;
pub use error::{Error, ErrorKind, TimedOut};
pub use event::{Event, Events, Prefix};
pub use explain::{Cause, Explained, Miss, Source, Stale, Stamp};
#[cfg(feature = "graph")]
pub use graph::graph;
pub use handle::{CachedCall, NotCached};
pub use health::{Health, RedisHealth};
pub use invalidate::{Hold, Refused};
pub use key::{CacheKey, KeyWriter};
pub use l1::Eviction;
#[cfg(feature = "json")]
pub use l2::codec::Json;
#[cfg(feature = "msgpack")]
pub use l2::codec::Msgpack;
#[cfg(feature = "redis")]
pub use l2::redis::Redis;
#[cfg(feature = "tls")]
pub use l2::redis::Tls;
pub use l2::{
    RedisMiss,
    codec::{Codec, Postcard},
};
pub use policy::Policy;
pub use stats::{EventStats, FunctionStats, GhostCurve, HotKey, Stats, Times};
pub use traced::{Step, Traced};
pub use warm::{Warmed, Warming};

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../README.md")]
struct Readme;

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
//! - `Redis` and, behind the feature `tls`, `Tls` say where Redis is, what a URL cannot say among it.
//! - [`Codec`] is how values are written to Redis; implement it for those that serde does not know.
//! - `testing`, behind the feature of that name, holds time that moves by hand and a stand-in for Redis.
//! - `graph`, behind the feature of that name, is which functions emit which events, and which listen:
//!   [`guide::graph`] has a picture of one.
//! - [`guide::servers`] says which Redis can be connected to, with Sentinel, Cluster or TLS, and what to set there.
//! - [`Cache::stats`] and [`Cache::health`] say what a cache did and how it is; [`guide::metrics`] how that gets to Prometheus,
//!   OpenTelemetry and probes, and which spans there are.
//! - [`guide`] has a page on [tests of code that caches](guide::testing), and one on
//!   [compile tests](guide::compile_tests) of what you build from the macros.
//!
//! # How a call flows
//!
//! The arguments are hashed, and compared with the key of an entry that the thread has at hand, or become a key of bytes on the
//! stack, and memory is asked: a fresh entry is cloned and
//! returned, without an allocation, an await, or a lock beyond that of one shard. Otherwise the call
//! joins the *flight* of its key, or starts it; the first caller is the leader. It asks Redis, where the
//! cache has one, and where that does not answer within the budget it runs the body, which
//! is called a *load*. All who wait share its value, and its error where that is `Clone`. Where it is
//! not, they load for themselves, and the first success answers all who still wait.
//!
//! A load runs *detached*, in a task of its own with owned copies of the arguments, where all
//! arguments are owned or `&T` of a type that is `Clone + Send + Sync + 'static`; once it has begun, such
//! a load outlives its callers. It does not see their task-locals. Otherwise it runs *inline*, in the task of its leader, and when the leader is dropped,
//! or left behind unpolled for 50 ms, the next waiter takes over with its own arguments. The options
//! `detached` and `inline` choose.
//!
//! A load that reaches its own key, or calls one that waits for it, runs that body uncached, as the
//! plain function would, and warns once: nothing deadlocks. What a body awaits through a task that it
//! spawned itself is not seen: where that waits for the body's own key or slot, it waits for ever.
//!
//! A function that calls itself is written as one that returns a boxed future ([`cached`] shows it).
//! Inline, each level takes about 16 KB of stack in a debug build, a third of that in a release: for a
//! hundred levels and more write `detached`.
//!
//! A detached load runs on the runtime of the caller that began it. While a runtime is alive and
//! nobody drives it, as between two `block_on` of a current-thread runtime, so are the loads on it:
//! callers on other runtimes wait for them. Use `inline` where that can happen.
//!
//! # What goes through Redis
//!
//! An entry in Redis has the lifetime that is left of the value, so that no process keeps it longer than
//! the one that loaded it; clocks are those of the server. Its bytes are an envelope with a checksum around
//! what the codec wrote. A value is read only as a type of the same names and kinds as the one that was
//! written, with `postcard` in the same order too; a codec of your own answers for that itself. Its key names the function and holds a fingerprint of the names and types of key and
//! value, of the codec and of the format, so that two versions of a program do not read each other's
//! entries, nor replace them.
//!
//! Values are written by a task of their own, in batches, the latest of each key. What does not fit 32 MiB
//! or 8,192 changes on their way is not written, and counted. After repeated faults a direction is given up
//! until a probe in the background has found it well: reads and writes apart, since a full server still
//! answers.
//!
//! `evict`, `put` and `refresh` change the entry in Redis, and tell the other processes to forget what they have in
//! memory. Such a message may get lost, and their entry lives on until its time is over: what must not be stale
//! is a matter of [events](guide::coherence).
//!
//! # What values need
//!
//! `Clone + Send + Sync + 'static`, and serde's `Serialize + DeserializeOwned` unless the function says
//! `tiers = memory` or names a codec that carries them otherwise. Errors need `Send + 'static`. `Result` and `Option` are told apart by type, so an
//! alias of `Result` is one.
//!
//! # What it costs
//!
//! A hit takes 1.2 to 1.7 times what a hand-written look-up in `quick_cache` does where its thread has the entry at hand, and
//! allocates nothing, or nothing for keys up to 128 bytes where it has not; `benches/README.md` in the repository has the numbers. An entry costs its
//! value, the part of its key beyond 40 bytes, and about 200 bytes.
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
//! A call goes from top to bottom: `call` (the hit, the miss, the handle's wishes), `context` (the scope,
//! the question and the load that surround it), `flight` (who loads and who waits), `slot` (how many load
//! at once), `watchdog` (who is no longer polled), `l1` (the entries in memory), `l2` (those in Redis: what
//! is read and written, their bytes, the client), `invalidate` (an event's way to all of them), `coherence` (the
//! protocol by which nothing stale comes back, without I/O), `event`, `key`, `value` and `site` (what
//! is known of arguments, return types and functions), `batch` (functions of many keys), `strategy` and `policy` (what
//! becomes of old values), `warm`, `stats`, `spans`, `clock` and `error`. `cache` is what holds
//! them together, `health`, `export` and `advice` what it tells of itself, `handle`, `explain`, `traced` and `testing` what users
//! call, `graph` what a program knows of itself before it runs, `__private` what expansions call. `tasks`, `function`,
//! `process`, `lock`, `atomic` and `local` are leaves that the others use.

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

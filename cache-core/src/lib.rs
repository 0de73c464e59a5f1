//! Two-tier caching of async functions.

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod cache;
mod call;
mod clock;
mod context;
mod error;
mod explain;
mod flight;
mod handle;
mod key;
mod l1;
mod site;
mod slot;
mod stats;
#[cfg(feature = "testing")]
pub mod testing;
mod value;

pub use cache::{Cache, CacheBuilder, Leftover};
pub use cache_macros::{CacheKey, cached};
pub use clock::Clock;
pub use error::{Error, ErrorKind};
pub use explain::{Explained, Miss, Source};
pub use handle::{CachedCall, NotCached};
pub use key::{CacheKey, KeyWriter};
pub use l1::Eviction;
pub use stats::{FunctionStats, Stats};

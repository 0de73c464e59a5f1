//! The description of a cache, checked when it is built.

use crate::{
    cache::Cache,
    clock::Clock,
    error::{Error, ErrorKind},
    l1::{Eviction, L1},
};

/// Less is a number of entries, written where bytes are meant.
const LEAST_MEMORY: u64 = 64 << 10;

/// Describes a [`Cache`]; start with [`Cache::builder`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cache_core::Error> {
/// use cache_core::{Cache, Eviction};
///
/// let cache = Cache::builder()
///     .namespace("shop")
///     .memory_limit(256 << 20)
///     .eviction(Eviction::Lru)
///     .build()
///     .await?;
/// assert_eq!(cache.stats().memory_limit, 256 << 20);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct CacheBuilder {
    namespace: String,
    memory_limit: u64,
    eviction: Eviction,
    unweighed_limit: usize,
    clock: Clock,
}

impl Default for CacheBuilder {
    fn default() -> Self {
        Self {
            namespace: "cache".into(),
            memory_limit: 64 << 20,
            eviction: Eviction::default(),
            unweighed_limit: 10_000,
            clock: Clock::system(),
        }
    }
}

impl CacheBuilder {
    /// What tells this program's entries from those of others. Default: `cache`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// The bound on the weight of all entries in memory, in bytes. Default: 64 MiB.
    ///
    /// An entry weighs about what an allocator counts for it: 200 bytes, the part of its key beyond 40
    /// bytes, and its value. A value weighs what the option `weight` says; else the sum of what serde
    /// shows of it (numbers by their type, texts and collections by what is in them), which is less
    /// than the truth where capacity is spare, where serde skips a field, and for many small boxes, enums
    /// of very different variants and `serde_json::Value`: give those a `weight`; else its `size_of`.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit = bytes;
        self
    }

    /// Which entry leaves when memory is full.
    pub fn eviction(mut self, eviction: Eviction) -> Self {
        self.eviction = eviction;
        self
    }

    /// How many entries one function may have whose heap memory nobody can see: values that are not
    /// `Serialize`, in functions without the option `weight`, and errors kept by `err_ttl`. The oldest
    /// leaves. Default: 10,000.
    pub fn unweighed_limit(mut self, entries: usize) -> Self {
        self.unweighed_limit = entries;
        self
    }

    /// Where the cache reads the time. Default: the system's clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Builds the cache.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] when an option has a value that cannot work.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind.
    #[expect(
        clippy::unused_async,
        reason = "a cache with a shared tier connects here"
    )]
    pub async fn build(self) -> Result<Cache, Error> {
        let refuse = |message: &str| Err(Error::new(ErrorKind::Configuration, message));
        if self.namespace.is_empty()
            || self
                .namespace
                .contains(|c: char| c.is_control() || c.is_whitespace() || c == ':')
        {
            return refuse(
                "`namespace` is the first part of every shared key: write a name without spaces and `:`",
            );
        }
        if self.memory_limit < LEAST_MEMORY {
            return refuse(
                "`memory_limit` is in bytes, and below 64 KiB it keeps next to nothing: write for instance `64 << 20`, or `Cache::disabled()` if that is meant",
            );
        }
        if self.unweighed_limit == 0 {
            return refuse(
                "`unweighed_limit` of 0 keeps no value without a weight: write at least 1",
            );
        }
        Ok(self.build_now())
    }

    pub(super) fn build_now(self) -> Cache {
        let l1 = L1::new(self.memory_limit, self.eviction, self.unweighed_limit);
        Cache::new(self.namespace, self.clock, l1)
    }
}

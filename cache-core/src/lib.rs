//! Two-tier caching of async functions.

//! The attribute macros of `cache-core`; use them through that crate.

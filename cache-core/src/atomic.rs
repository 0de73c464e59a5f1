//! The atomics that a hit reads: those of the standard library, or under `--cfg interleaved` those of `loom`, which runs a
//! test in all orders in which threads may see what others wrote. A leaf.

#[cfg(not(all(test, interleaved)))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(all(test, interleaved))]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

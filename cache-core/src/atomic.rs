//! The atomics that a hit reads: those of the standard library, or under `--cfg interleaved` those of `loom`, which runs a
//! test in all orders in which threads may see what others wrote; under `--cfg shuttled` those of `shuttle`, which runs it
//! in many orders of its threads. A leaf.

#[cfg(all(test, shuttled))]
pub(crate) use shuttle::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(not(all(test, any(interleaved, shuttled))))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(all(test, interleaved))]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

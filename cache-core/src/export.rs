//! What leaves the process of the numbers of a cache: one table says what there is, and each way out reads it.
//!
//! Nothing is counted for this: all of it is read from [`Stats`](crate::Stats) and [`Health`](crate::Health) when somebody
//! asks.

#[cfg(feature = "metrics")]
mod facade;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
mod prometheus;
mod table;

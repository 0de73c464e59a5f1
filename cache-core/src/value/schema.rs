//! What a type asks of a deserializer: the shape of its encoding, found by reading placeholders.
//!
//! A fingerprint of that shape is part of the key in the shared tier, so that bytes written for one
//! shape are never read as another. Reading runs the type's own `Deserialize`, several times: until
//! every variant of every enum was read and every place was given a placeholder that it takes.

mod access;
mod deserializer;
mod placeholders;
mod record;
mod rendering;
mod search;
mod steering;
#[cfg(test)]
mod tests;
mod tracer;

use serde::de::DeserializeOwned;

use tracer::Tracer;

/// What the trace of a type found. Paths are like `Order.lines[].price`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schema {
    /// Covers the names, types and order of all that the type reads, the name of the type, and
    /// whether the format is for people to read.
    pub(crate) fingerprint: u64,
    /// Where the type asks what comes next, which only a self-describing format can answer. What is
    /// read after the answer is not covered.
    pub(crate) asks: Option<String>,
    /// Where an `Option` or a unit lies directly in an `Option`: a format that writes both as null
    /// reads `Some(None)` as `None`.
    pub(crate) hides_none: Option<String>,
    /// Where the trace could not go on although nothing was asked, and why.
    pub(crate) incomplete: Option<String>,
}

/// Finds the schema of `T`. It runs `T::deserialize` on values that nobody wrote.
///
/// A panic there is caught where panics unwind. Work is bounded, as far as `T` does all of it through
/// the deserializer.
pub(crate) fn trace<T: DeserializeOwned>(is_human_readable: bool) -> Schema {
    traced::<T>(is_human_readable).finish(std::any::type_name::<T>())
}

fn traced<T: DeserializeOwned>(is_human_readable: bool) -> Tracer {
    let mut tracer = Tracer::new(short_name(std::any::type_name::<T>()), is_human_readable);
    search::search::<T>(&mut tracer);
    tracer
}

/// `alloc::vec::Vec<shop::Order>` as `Vec<Order>`.
fn short_name(name: &str) -> String {
    let mut short = String::new();
    let mut segment = 0;
    for char in name.chars() {
        if char == ':' {
            short.truncate(segment);
            continue;
        }
        short.push(char);
        if !char.is_alphanumeric() && char != '_' {
            segment = short.len();
        }
    }
    short
}

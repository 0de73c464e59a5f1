//! How a kept value leaves the process and comes back: a codec and the type it carries, as functions.

use std::{
    any::{Any, type_name},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::de::DeserializeOwned;

use super::schema::{Schema, trace};
use crate::l2::codec::Codec;

/// Why a value cannot be written or read, in the words of whoever refused.
pub(crate) type Refusal = Box<dyn std::error::Error + Send + Sync>;

/// How values of `T` travel under one codec.
pub(crate) struct Transport<T> {
    decode: fn(&[u8]) -> Result<T, Refusal>,
    wire: Wire,
}

impl<T> fmt::Debug for Transport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wire.fmt(f)
    }
}

impl<T> Clone for Transport<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Transport<T> {}

/// The part of a [`Transport`] that does not know its type.
#[derive(Clone, Copy)]
pub(crate) struct Wire {
    codec: &'static str,
    type_name: fn() -> &'static str,
    trace: fn(bool) -> Option<Schema>,
    encode: fn(&dyn Any, &mut Vec<u8>) -> Result<(), Refusal>,
    check: fn(&[u8]) -> Result<(), Refusal>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.codec, (self.type_name)())
    }
}

impl<T: 'static> Transport<T> {
    /// Values that only the codec knows how to carry. What they consist of is not seen: a changed type is
    /// told from the old one by its name and the function's `version`.
    pub(crate) fn opaque<C: Codec<T>>() -> Self {
        Self::by::<C>(|_| None)
    }

    /// Values that serde knows.
    pub(crate) fn traced<C: Codec<T>>() -> Self
    where
        T: DeserializeOwned,
    {
        Self::by::<C>(|is_human_readable| Some(trace::<T>(is_human_readable)))
    }

    fn by<C: Codec<T>>(trace: fn(bool) -> Option<Schema>) -> Self {
        Self {
            decode: C::decode,
            wire: Wire {
                codec: C::NAME,
                type_name: type_name::<T>,
                trace,
                encode: |value, bytes| {
                    let value = value.downcast_ref::<T>();
                    let value = value.expect("a function's entries hold what it returns");
                    C::encode(value, bytes)
                },
                check: |bytes| C::decode(bytes).map(drop),
            },
        }
    }

    /// The same type under another codec.
    pub(crate) fn over<C: Codec<T>>(self) -> Self {
        Self::by::<C>(self.wire.trace)
    }

    pub(crate) fn wire(&self) -> Wire {
        self.wire
    }

    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<T, Refusal> {
        (self.decode)(bytes)
    }
}

impl Wire {
    /// Appends the encoding of a value of the type to `bytes`.
    pub(crate) fn encode(&self, value: &dyn Any, bytes: &mut Vec<u8>) -> Result<(), Refusal> {
        guarded(|| (self.encode)(value, bytes))
    }

    pub(crate) fn is_postcard(&self) -> bool {
        self.codec == "postcard"
    }

    /// Whether what was written can be read.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<(), Refusal> {
        guarded(|| (self.check)(bytes))
    }

    /// What tells these bytes from those of other types and codecs.
    ///
    /// # Errors
    ///
    /// Why the codec cannot carry the type, and what to write.
    pub(crate) fn describe(&self) -> Result<Described, String> {
        let schema = (self.trace)(self.codec == "json");
        let refusal = schema.as_ref().and_then(|schema| self.refuse(schema));
        match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(Described {
                codec: self.codec,
                type_name: (self.type_name)(),
                schema: schema.as_ref().map(|schema| schema.fingerprint),
                ends_at: schema.and_then(|schema| schema.incomplete),
            }),
        }
    }

    fn refuse(&self, schema: &Schema) -> Option<String> {
        match (self.codec, &schema.asks, &schema.hides_none) {
            ("postcard", Some(place), _) => Some(format!(
                "{place} asks what comes next, which postcard does not say (`untagged`, `flatten`, `tag = \"..\"` \
                 and `serde_json::Value` do): write `codec = json`"
            )),
            ("json" | "msgpack", _, Some(place)) => Some(format!(
                "{place} is an option of what may itself be nothing, and `{}` writes both as null: write `codec = postcard`",
                self.codec
            )),
            _ => None,
        }
    }
}

/// What a shared key says of the type behind it.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) codec: &'static str,
    pub(crate) type_name: &'static str,
    pub(crate) schema: Option<u64>,
    /// Where the schema is no longer seen.
    pub(crate) ends_at: Option<String>,
}

/// A panic in a user's implementation must not become a call that fails.
pub(super) fn guarded<R>(run: impl FnOnce() -> Result<R, Refusal>) -> Result<R, Refusal> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err("the value's own implementation panicked".into()))
}

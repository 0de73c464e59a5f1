//! How values become bytes and back. The engine asks a [`Codec`] and knows none of them.

#[cfg(feature = "json")]
mod json;
#[cfg(feature = "msgpack")]
mod msgpack;
#[cfg(any(feature = "json", feature = "msgpack"))]
mod nesting;
mod postcard;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests;

#[cfg(any(feature = "json", feature = "msgpack"))]
use {crate::value::shape, serde::Serialize};

/// Values within values go this deep, in every codec. The bytes decide how deep a reader goes, and a
/// stack that overflows ends the process.
const MOST_NESTED: usize = 128;

/// Why a codec did not do it, in its own words.
pub(crate) type CodecError = Box<dyn std::error::Error + Send + Sync>;

/// How the values of a function are written to Redis.
///
/// [`Postcard`] is the default. Write one of your own for values that are not serde's, or for bytes that other programs
/// share, and name it at the function: `#[cached(ttl = 5m, codec = Csv)]`.
///
/// ```
/// use std::error::Error;
///
/// use cache_core::Codec;
///
/// /// A point, of a crate that knows nothing of serde.
/// #[derive(Clone, Debug, PartialEq)]
/// pub struct Point { x: i32, y: i32 }
///
/// pub struct Csv;
///
/// impl Codec<Point> for Csv {
///     const NAME: &'static str = "point-csv";
///
///     fn encode(point: &Point, bytes: &mut Vec<u8>) -> Result<(), Box<dyn Error + Send + Sync>> {
///         bytes.extend(format!("{},{}", point.x, point.y).as_bytes());
///         Ok(())
///     }
///
///     fn decode(bytes: &[u8]) -> Result<Point, Box<dyn Error + Send + Sync>> {
///         let (x, y) = std::str::from_utf8(bytes)?.split_once(',').ok_or("no comma")?;
///         Ok(Point { x: x.parse()?, y: y.parse()? })
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
/// let mut bytes = Vec::new();
/// Csv::encode(&Point { x: 3, y: -4 }, &mut bytes)?;
/// assert_eq!(Csv::decode(&bytes)?, Point { x: 3, y: -4 });
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a codec for `{T}`",
    label = "this type does not implement `Codec<{T}>`",
    note = "the codecs `postcard`, `json` and `msgpack` carry what is `serde::Serialize` and `serde::de::DeserializeOwned`: derive both",
    note = "for a codec of your own, write `impl Codec<{T}> for {Self}`, with `encode` and `decode`",
    note = "for a value that cannot travel, write `tiers = memory`"
)]
pub trait Codec<T> {
    /// Part of every shared key, so that two codecs never read each other's bytes. It has to be unique, not `postcard`,
    /// `json` or `msgpack`. Change it when the encoding changes.
    const NAME: &'static str;

    /// Appends the encoding of `value` to `bytes`.
    ///
    /// # Errors
    ///
    /// The value is then served and not shared; what was appended is dropped.
    fn encode(
        value: &T,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

    /// Reads what `encode` wrote.
    ///
    /// The bytes come from a server that others write to, and must not be trusted: whatever they are, do not panic,
    /// recurse no deeper than the stack allows, and allocate no more than they are worth. Do not trust a length that
    /// they claim.
    ///
    /// # Errors
    ///
    /// The entry then counts as absent, and the value is loaded. Refuse what `encode` would not have written, including
    /// bytes left over at the end.
    fn decode(bytes: &[u8]) -> Result<T, Box<dyn std::error::Error + Send + Sync>>;
}

/// The default [`Codec`]: the fewest bytes and the least time.
///
/// A value is read only by a type that mirrors how it was written: the same kinds in the same order, under the same
/// names of structs, fields and variants. Everything else is an entry that counts as absent, never a wrong value. Types
/// that are read by looking at the bytes first need `codec = json`: those with `#[serde(untagged)]`, `tag`, `flatten`
/// or `skip_serializing_if`, and `serde_json::Value`.
///
/// It refuses to write more than 128 levels of values within values, and more than 4,096 elements that take no bytes,
/// such as `()`. It costs 8 bytes a value, and 2 for each enum in it. A type with `#[serde(alias)]` takes three times
/// as long to read.
#[derive(Clone, Copy, Debug)]
pub struct Postcard;

/// A [`Codec`] for what [`Postcard`] refuses, and for eyes: JSON, by `serde_json`, behind 8 bytes.
///
/// Those say which names and kinds of values were written: fields, variants, keys of maps, what was there and what was
/// not. A value that is read with others counts as absent: one written before a field behind `#[serde(flatten)]` had
/// its present name, or one that JSON cannot tell from another, such as `Some(None)`, `Some(serde_json::Value::Null)`
/// and a float that is not finite. Two variants of an `untagged` enum that are written alike stay alike.
///
/// It does not read more than 128 levels of values within values.
#[cfg(feature = "json")]
#[cfg_attr(docsrs, doc(cfg(feature = "json")))]
#[derive(Clone, Copy, Debug)]
pub struct Json;

/// A [`Codec`] for what [`Postcard`] refuses, in fewer bytes than JSON: `MessagePack`, by `rmp-serde`,
/// structs as maps, behind the same 8 bytes as in [`Json`].
///
/// A value that would be read as something else than was written counts as absent here too, including `Some(None)`. It
/// does not read more than 128 levels of values within values.
#[cfg(feature = "msgpack")]
#[cfg_attr(docsrs, doc(cfg(feature = "msgpack")))]
#[derive(Clone, Copy, Debug)]
pub struct Msgpack;

/// The shape of a value as it was written. Formats that are read by names, or by looking at the bytes
/// first, read much that was never written: that shows when the value that was read has another shape.
#[cfg(any(feature = "json", feature = "msgpack"))]
struct Written {
    shape: u64,
    is_human_readable: bool,
}

#[cfg(any(feature = "json", feature = "msgpack"))]
impl Written {
    /// Takes note of what is about to be written behind it.
    fn begin<T: Serialize>(
        value: &T,
        is_human_readable: bool,
        bytes: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let shape = shape(value, is_human_readable).ok_or("the value refuses to be serialized")?;
        bytes.extend(shape.to_le_bytes());
        Ok(())
    }

    /// What was noted, and what was written behind it.
    fn split(bytes: &[u8], is_human_readable: bool) -> Result<(Self, &[u8]), CodecError> {
        let Some((shape, rest)) = bytes.split_first_chunk() else {
            return Err("there are fewer bytes than say what was written".into());
        };
        let written = Self {
            shape: u64::from_le_bytes(*shape),
            is_human_readable,
        };
        Ok((written, rest))
    }

    /// The value that was read, if that is what was written.
    fn check<T: Serialize>(self, value: T) -> Result<T, CodecError> {
        if shape(&value, self.is_human_readable) == Some(self.shape) {
            return Ok(value);
        }
        Err("it is not what was written: the type has changed, or its `Serialize` and `Deserialize` do not mirror each other".into())
    }
}

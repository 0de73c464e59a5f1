//! What identifies a cached value: [`CacheKey`] and the writer behind it. Both renderings of a key are injective
//! for values of one type. Called for every cached call and for every event.

mod addresses;
mod bytes;
mod calendar;
mod foreign;
mod identity;
mod impls;
mod record;
mod rendering;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests;
mod text;
mod times;
mod writer;

pub(crate) use identity::{Key, KeyHasher, KeyRef, is_written, text_of};
pub use identity::{WriteKey, Written};
pub use writer::KeyWriter;

/// A type whose values can be part of a cache key.
///
/// Derive it for structs and enums. Floats and hash maps are left out on purpose: equal values of theirs may look
/// different.
///
/// # By hand
///
/// `write` describes the value to a [`KeyWriter`]. Equal values make the same calls. Which call comes next may depend
/// only on what earlier calls have written: then no two different values share a key, and the type can be nested in any
/// other. A call writes its key two or three times, and once more as text if Redis, a handle or a trace needs that.
/// Each time it has to write the same; the cache holds no lock meanwhile.
///
/// ```
/// use cache_core::{CacheKey, KeyWriter};
///
/// /// An amount in the currency's smallest unit.
/// struct Money { cents: i64, currency: [u8; 3] }
///
/// impl CacheKey for Money {
///     fn write(&self, key: &mut KeyWriter<'_>) {
///         key.group(|key| {
///             self.cents.write(key);
///             key.fixed(self.currency, &self.currency.escape_ascii());
///         });
///     }
/// }
/// ```
///
/// # The two renderings
///
/// Entries outlive processes, so neither rendering ever changes.
///
/// | value | bytes | text |
/// |---|---|---|
/// | integer, `NonZero` | little-endian; `usize` and `isize` as 64 bits | decimal: `-7` |
/// | `bool` | 0, 1 | `true`, `false` |
/// | `char` | its scalar value in 4 bytes | escaped |
/// | text | count, UTF-8 | escaped: `Ada`, `a%2Fb` |
/// | byte string: `[u8]`, `Vec<u8>` | count, bytes | lower-case hex: `00ff` |
/// | `[u8; N]` | bytes | lower-case hex |
/// | `None`, `Some(a)` | 0, or 1 and `a` | `~`, `+a` |
/// | slice, `Vec`, `VecDeque`, `BTreeSet` | count, items | `[a,b,]`, `[]` |
/// | `BTreeMap` | count, keys and values in turn | `{k=v,k=v,}`, `{}` |
/// | tuple, `()`, array, derived struct, `PhantomData` | parts | `(a,b)`, `()` |
/// | derived struct of one unnamed field | that field | that field |
/// | derived enum | name of the variant as text, fields | `Name`, `Name(a,b)` |
/// | reference, `Box`, `Rc`, `Arc`, `Cow` | what they point to | what they point to |
/// | `Duration` | seconds in 8 bytes, nanoseconds in 4 | `90s`, `1.500000000s` |
/// | `SystemTime` | 1, or 0 before 1970; then the `Duration` to 1970 | `2026-02-28T235959.500000000Z` |
/// | `Ipv4Addr`, `Ipv6Addr` | 4 or 16 bytes in network order | `10.0.0.1`, `2001-db8-0-0-0-0-0-1` |
/// | `IpAddr` | 4 or 6, then the address | the address |
/// | `SocketAddrV4` | address, port | `(10.0.0.1,80)` |
/// | `SocketAddrV6` | address, port, flow information, scope | `(0-0-0-0-0-0-0-1,80,0,0)` |
/// | `SocketAddr` | 4 or 6, then the address | the address |
/// | `Uuid` (feature `uuid`) | 16 bytes | hyphenated, lower case |
/// | `DateTime`, `OffsetDateTime` (features `chrono`, `time`) | seconds since 1970 in 8 bytes, nanoseconds in 4 | as `SystemTime`: the offset is not part of the key |
/// | `NaiveDateTime` (`chrono`) | as `DateTime` | as `SystemTime`, without the `Z` |
/// | `NaiveDate`, `Date` (`chrono`, `time`) | days since 1970 in 4 bytes | `2026-02-28` |
/// | `Url` (feature `url`) | as text | escaped |
///
/// In bytes, a count is a LEB128 integer of the fewest bytes, and nothing stands between values.
///
/// In text, values of a group are separated by one comma. Escaped means: `A` to `Z`, `a` to `z`, `0` to `9`, `_`, `.`
/// and `-` stand for themselves, any other character is its UTF-8 bytes as `%XX` in upper-case hex. So a value is
/// made of these, of `%`, and of `( ) [ ] { } , = + ~`; any other character is free to separate the parts of a key, as
/// in `user:{tenant}:{id}`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a cache key",
    label = "this type does not implement `CacheKey`",
    note = "if the argument does not identify the value, as a pool or a client, leave it out with `skip(..)`",
    note = "for a type of your own, write `#[derive(CacheKey)]` above it",
    note = "floats and hash maps have no canonical form: write `key = ...` with something that has one, such as \
            `value.to_bits()` or a `BTreeMap`"
)]
pub trait CacheKey {
    /// Describes the value to `key`.
    fn write(&self, key: &mut KeyWriter<'_>);

    /// Byte strings are slices of `u8`, yet are written in one piece: `u8` alone answers this.
    #[doc(hidden)]
    #[inline]
    fn as_byte_string(_items: &[Self]) -> Option<&[u8]>
    where
        Self: Sized,
    {
        None
    }
}

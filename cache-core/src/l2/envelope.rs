//! The bytes of an entry in the shared tier: sealed before a write, opened after a read.
//!
//! Whatever bytes are found there, opening them gives exactly what was sealed, or says why not: it does not panic,
//! reads nothing beyond them, and allocates at most what the caller allows for a payload, beside the stamps.
//!
//! # Format 1
//!
//! Numbers are little-endian. Times are microseconds since 1970 on the store's clock. What is written once is never
//! moved: another layout is another format.
//!
//! ```text
//!      0       1       2       3       4       5       6       7
//!    +-------+-------+-------+-------+-------+-------+-------+-------+
//!  0 | magic: fa ce  | 01    | flags | raw length                    |
//!    +-------+-------+-------+-------+-------+-------+-------+-------+
//!  8 | checksum                                                      |
//! 16 | lineage                                                       |
//! 24 | created                                                       |
//! 32 | soft                                                          |
//! 40 | hard                                                          |
//! 48 | key check                                                     |
//!    +-------+-------+-------+-------+-------+-------+-------+-------+
//! 56 | load time                     | n of stamps   | 00      00    |
//!    +-------+-------+-------+-------+-------+-------+-------+-------+
//! 64 | stamp, n times                                                |
//!    +-------+-------+-------+-------+-------+-------+-------+-------+
//!    | length of the full key        | full key ...                  |   only where the flags say so
//!    +-------+-------+-------+-------+-------+-------+-------+-------+
//!    | payload, to the end ...                                       |
//!    +-------+-------+-------+-------+-------+-------+-------+-------+
//! ```
//!
//! - The magic is no text: `fa` is in no UTF-8, and `ce` no ASCII. The third byte is the number of the format.
//! - Bits 0 and 1 of the flags: the payload is as it is (0), lz4 (1) or zstd (2). Bit 2: there is a full key, in
//!   UTF-8. Bit 3: it was read before its source had settled. Bit 4: its function does not list all that it may be made
//!   of. All other bits, and the bytes 62 and 63, are zero until a later format says what they mean; an intact envelope
//!   where they are not is of another format.
//! - The raw length is that of the payload before it was compressed; a compressed payload is shorter.
//! - The checksum is XXH3 with 64 bits of everything behind it, seeded with the eight bytes before it, so every
//!   byte counts. It finds damage, not malice.
//! - Lineage and stamps are what makes an entry valid; soft is no later than hard, and created no later than hard.
//! - The key check is a hash of the call's key in bytes, and the full key is its text where the name of the entry in
//!   the store is cut short: two calls that meet under one name do not get each other's value.
//! - The load time is in microseconds, and its largest value stands for all longer ones.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::compress::{self, Method};

const MAGIC: [u8; 2] = [0xfa, 0xce];
pub(crate) const FORMAT: u8 = 1;
/// Everything before the stamps.
const HEAD: usize = 64;
/// Room for a small payload, so that it is not moved while it is written.
const SMALL: usize = 512;

const METHOD: u8 = 0b011;
const HAS_FULL_KEY: u8 = 0b100;
const UNSETTLED: u8 = 0b1000;
const OUTLIVING: u8 = 0b1_0000;

/// What is known of an entry without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) lineage: u64,
    pub(crate) created: u64,
    pub(crate) soft: u64,
    pub(crate) hard: u64,
    /// In microseconds; saturates.
    pub(crate) load_time: u32,
    pub(crate) key_check: u64,
    pub(crate) stamps: SmallVec<[u64; 4]>,
    /// It was read before its source had settled, and is hard then.
    pub(crate) is_unsettled: bool,
    /// Its function does not list all events that it may be made of.
    pub(crate) is_outliving: bool,
}

/// The value is over the limit, or the rest is more than the format can say: 65,535 stamps, 4 GiB of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Starts an envelope. What is still missing is the payload.
pub(crate) fn start(header: &Header, full_key: Option<&str>) -> Draft {
    let stamps = u16::try_from(header.stamps.len());
    let key_length = u32::try_from(full_key.map_or(0, str::len));
    let (Ok(stamps), Ok(key_length)) = (stamps, key_length) else {
        return Draft::beyond_the_format();
    };
    let length = HEAD + header.stamps.len() * 8 + 4 + key_length as usize;
    let mut bytes = Vec::with_capacity(length + SMALL);
    bytes.extend(MAGIC);
    let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
    let flags = flag(HAS_FULL_KEY, full_key.is_some())
        | flag(UNSETTLED, header.is_unsettled)
        | flag(OUTLIVING, header.is_outliving);
    bytes.extend([FORMAT, flags]);
    // The raw length and the checksum are known at the end.
    bytes.extend([0; 4]);
    bytes.extend([0; 8]);
    for number in [
        header.lineage,
        header.created,
        header.soft,
        header.hard,
        header.key_check,
    ] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(header.load_time.to_le_bytes());
    bytes.extend(stamps.to_le_bytes());
    bytes.extend([0; 2]);
    for stamp in &header.stamps {
        bytes.extend(stamp.to_le_bytes());
    }
    if let Some(full_key) = full_key {
        bytes.extend(key_length.to_le_bytes());
        bytes.extend(full_key.as_bytes());
    }
    Draft {
        payload_at: bytes.len(),
        bytes,
        is_beyond_the_format: false,
    }
}

/// An envelope whose payload is being written.
#[derive(Debug)]
pub(crate) struct Draft {
    bytes: Vec<u8>,
    payload_at: usize,
    is_beyond_the_format: bool,
}

impl Draft {
    /// There is no such envelope, but whoever encodes the payload need not know.
    fn beyond_the_format() -> Self {
        Self {
            bytes: Vec::new(),
            payload_at: 0,
            is_beyond_the_format: true,
        }
    }

    /// Where to append the payload. What is there already is the header, and stays.
    pub(crate) fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the envelope, with a payload from `compress_from` bytes on compressed where that saves a tenth.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] where the payload is more than `limit` bytes before it is compressed.
    pub(crate) fn finish(
        self,
        compress_from: Option<usize>,
        limit: usize,
    ) -> Result<Vec<u8>, TooLarge> {
        let mut bytes = self.bytes;
        let raw = bytes
            .get(self.payload_at..)
            .expect("a codec appends to what is there");
        let raw_length = u32::try_from(raw.len()).map_err(|_| TooLarge)?;
        if self.is_beyond_the_format || raw.len() > limit {
            return Err(TooLarge);
        }
        let is_long = compress_from.is_some_and(|from| raw.len() >= from);
        if let Some((method, packed)) = is_long.then(|| compress::compress(raw)).flatten() {
            bytes.truncate(self.payload_at);
            bytes.extend(packed);
            bytes[3] |= method as u8;
        }
        bytes[4..8].copy_from_slice(&raw_length.to_le_bytes());
        seal(&mut bytes);
        Ok(bytes)
    }
}

/// What was in an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenedEnvelope<'a> {
    pub(crate) header: Header,
    pub(crate) full_key: Option<&'a str>,
    /// Copied only where it was compressed.
    pub(crate) payload: Cow<'a, [u8]>,
}

/// Why bytes are not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Something else is under the key.
    NotOurs,
    /// Ours, but of a version that writes another format or uses more of this one.
    OtherFormat,
    Damaged,
    /// The payload is over the limit.
    TooLarge,
    /// The feature that compressed it is not built in here.
    CannotDecompress,
}

/// Opens what [`Draft::finish`] made, with a payload of at most `limit` bytes.
pub(crate) fn open(bytes: &[u8], limit: usize) -> Result<OpenedEnvelope<'_>, Damage> {
    if !bytes.starts_with(&MAGIC) {
        return Err(Damage::NotOurs);
    }
    if bytes.get(2).is_some_and(|format| *format != FORMAT) {
        return Err(Damage::OtherFormat);
    }
    let mut reader = Reader(bytes);
    let first = reader.array()?;
    if reader.u64()? != checksum(first, reader.0) {
        return Err(Damage::Damaged);
    }
    let [_, _, _, flags, raw_length @ ..] = first;
    let raw_length = u32::from_le_bytes(raw_length) as usize;
    let method = match flags & METHOD {
        0 => None,
        1 => Some(Method::Lz4),
        2 => Some(Method::Zstd),
        _ => return Err(Damage::OtherFormat),
    };
    if flags & !(METHOD | HAS_FULL_KEY | UNSETTLED | OUTLIVING) != 0 {
        return Err(Damage::OtherFormat);
    }
    if raw_length > limit {
        return Err(Damage::TooLarge);
    }
    let header = Header {
        is_unsettled: flags & UNSETTLED != 0,
        is_outliving: flags & OUTLIVING != 0,
        ..reader.header()?
    };
    let full_key = if flags & HAS_FULL_KEY == 0 {
        None
    } else {
        Some(reader.text()?)
    };
    Ok(OpenedEnvelope {
        header,
        full_key,
        payload: payload(method, reader.0, raw_length)?,
    })
}

/// All that is left must be the payload, and nothing else.
fn payload(
    method: Option<Method>,
    rest: &[u8],
    raw_length: usize,
) -> Result<Cow<'_, [u8]>, Damage> {
    match method {
        None if rest.len() == raw_length => Ok(Cow::Borrowed(rest)),
        Some(method) if rest.len() < raw_length => {
            if !method.is_built_in() {
                return Err(Damage::CannotDecompress);
            }
            let raw = compress::decompress(method, rest, raw_length);
            raw.map(Cow::Owned).ok_or(Damage::Damaged)
        }
        _ => Err(Damage::Damaged),
    }
}

/// Fills in the checksum.
fn seal(bytes: &mut [u8]) {
    let mut reader = Reader(bytes);
    let (Ok(first), Ok(_)) = (reader.array(), reader.u64()) else {
        return;
    };
    let checksum = checksum(first, reader.0);
    bytes[8..16].copy_from_slice(&checksum.to_le_bytes());
}

fn checksum(first: [u8; 8], rest: &[u8]) -> u64 {
    xxh3_64_with_seed(rest, u64::from_le_bytes(first))
}

/// What has not been read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn header(&mut self) -> Result<Header, Damage> {
        let [lineage, created, soft, hard, key_check] = [
            self.u64()?,
            self.u64()?,
            self.u64()?,
            self.u64()?,
            self.u64()?,
        ];
        let load_time = u32::from_le_bytes(self.array()?);
        let stamps = usize::from(u16::from_le_bytes(self.array()?));
        if self.array()? != [0; 2] {
            return Err(Damage::OtherFormat);
        }
        let (stamps, rest) = self.bytes(stamps * 8)?.as_chunks();
        debug_assert!(rest.is_empty());
        if hard < created || hard < soft {
            return Err(Damage::Damaged);
        }
        Ok(Header {
            lineage,
            created,
            soft,
            hard,
            load_time,
            key_check,
            stamps: stamps.iter().copied().map(u64::from_le_bytes).collect(),
            is_unsettled: false,
            is_outliving: false,
        })
    }

    fn text(&mut self) -> Result<&'a str, Damage> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        str::from_utf8(self.bytes(length)?).map_err(|_| Damage::Damaged)
    }

    fn u64(&mut self) -> Result<u64, Damage> {
        self.array().map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Damage::Damaged)?;
        self.0 = rest;
        Ok(*array)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Damage::Damaged)?;
        self.0 = rest;
        Ok(bytes)
    }
}

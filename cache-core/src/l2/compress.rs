//! Payloads made smaller, and whole again within a length known beforehand. `envelope` alone asks for it; with
//! neither of the features `lz4` and `zstd` nothing is ever compressed.

#[cfg(not(all(feature = "lz4", feature = "zstd")))]
mod absent;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(not(feature = "lz4"))]
use absent as lz4;
#[cfg(not(feature = "zstd"))]
use absent as zstd;

/// From how many bytes on zstd is worth its time, where both can be had.
const ZSTD_FROM: usize = 8 * 1024;

/// How a payload is compressed. The numbers are part of the envelope's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// One block of the LZ4 block format, without a length in front.
    Lz4 = 1,
    /// One Zstandard frame (RFC 8878).
    Zstd = 2,
}

impl Method {
    /// Whether this build knows it.
    pub(super) fn is_built_in(self) -> bool {
        match self {
            Self::Lz4 => cfg!(feature = "lz4"),
            Self::Zstd => cfg!(feature = "zstd"),
        }
    }

    fn for_length(length: usize) -> Option<Self> {
        let preferred = if length >= ZSTD_FROM {
            [Self::Zstd, Self::Lz4]
        } else {
            [Self::Lz4, Self::Zstd]
        };
        preferred.into_iter().find(|method| method.is_built_in())
    }
}

/// `raw` compressed, where that saves at least a tenth.
pub(super) fn compress(raw: &[u8]) -> Option<(Method, Vec<u8>)> {
    let method = Method::for_length(raw.len())?;
    let most = raw.len() - raw.len().div_ceil(10);
    let packed = match method {
        Method::Lz4 => lz4::compress(raw, most),
        Method::Zstd => zstd::compress(raw, most),
    };
    Some((method, packed.filter(|packed| packed.len() <= most)?))
}

/// The bytes that were compressed, or nothing: where `packed` is not one whole result of `method`, where it holds
/// more or less than `length` bytes, and where the method is not built in. Allocates `length` bytes.
pub(super) fn decompress(method: Method, packed: &[u8], length: usize) -> Option<Vec<u8>> {
    let raw = match method {
        Method::Lz4 => lz4::decompress(packed, length),
        Method::Zstd => zstd::decompress(packed, length),
    };
    raw.filter(|raw| raw.len() == length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> Vec<u8> {
        (0_u32..)
            .flat_map(|n| format!("{{\"id\":{n},\"name\":\"order\"}},").into_bytes())
            .take(length)
            .collect()
    }

    /// Bytes that no method makes smaller.
    fn noise(length: usize) -> Vec<u8> {
        (0_u64..)
            .flat_map(|n| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()).to_le_bytes())
            .take(length)
            .collect()
    }

    #[test]
    fn what_is_compressed_comes_back_by_the_method_that_suits_its_length() {
        let (lz4, zstd) = (cfg!(feature = "lz4"), cfg!(feature = "zstd"));
        for length in [400, 4_096, ZSTD_FROM - 1, ZSTD_FROM, 300_000] {
            let raw = text(length);
            let packed = compress(&raw);
            let expected = match (lz4, zstd) {
                (false, false) => None,
                (true, false) => Some(Method::Lz4),
                (true, true) if length < ZSTD_FROM => Some(Method::Lz4),
                (_, true) => Some(Method::Zstd),
            };
            assert_eq!(packed.as_ref().map(|(method, _)| *method), expected);
            if let Some((method, packed)) = packed {
                assert!(packed.len() * 10 <= length * 9);
                assert_eq!(decompress(method, &packed, length).unwrap(), raw);
            }
        }
    }

    #[test]
    fn what_would_not_get_smaller_by_a_tenth_stays_as_it_is() {
        for length in [0, 1, 9, 100, ZSTD_FROM, 100_000] {
            assert_eq!(compress(&noise(length)), None, "{length}");
        }
        // A twentieth could be saved here.
        let mut raw = noise(19_000);
        raw.resize(20_000, 0);
        assert_eq!(compress(&raw), None);
    }

    #[test]
    fn a_failure_does_not_spoil_the_next_call() {
        for length in [2_000, 20_000] {
            let raw = text(length);
            for _ in 0..3 {
                assert_eq!(compress(&noise(length)), None);
                let Some((method, packed)) = compress(&raw) else {
                    continue;
                };
                assert_eq!(decompress(method, &noise(50), length), None);
                assert_eq!(
                    decompress(method, &packed[..packed.len() - 1], length),
                    None
                );
                assert_eq!(decompress(method, &packed, length).unwrap(), raw);
            }
        }
    }

    #[test]
    fn another_length_than_announced_is_refused() {
        for length in [1_000, 9_000] {
            let Some((method, packed)) = compress(&text(length)) else {
                continue;
            };
            for announced in [0, 1, length / 2, length - 1, length + 1, length * 2] {
                assert_eq!(decompress(method, &packed, announced), None, "{announced}");
            }
        }
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn one_frame_is_all_there_may_be() {
        let raw = text(9_000);
        let frame = zstd::compress(&raw, 9_000).unwrap();
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7];
        assert_eq!(decompress(Method::Zstd, &frame, 9_000).unwrap(), raw);
        for parts in [
            [&frame[..], &skippable],
            [&skippable, &frame],
            [&frame, &frame],
        ] {
            for announced in [0, 9_000, 18_000] {
                assert_eq!(decompress(Method::Zstd, &parts.concat(), announced), None);
            }
        }
    }
}

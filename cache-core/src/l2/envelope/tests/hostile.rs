//! Bytes that nobody sealed.

use std::ops::Range;

use super::*;

const RAW_LENGTH: Range<usize> = 4..8;
const STAMPS: Range<usize> = 60..62;

/// An envelope without stamps and full key, whatever it announces.
fn envelope(flags: u8, raw_length: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = sealed(&header(&[]), None, rest, None);
    bytes[3] = flags;
    bytes[RAW_LENGTH].copy_from_slice(&raw_length.to_le_bytes());
    seal(&mut bytes);
    bytes
}

/// Adds to a number of an intact envelope, and leaves it intact.
fn inflated(mut bytes: Vec<u8>, field: Range<usize>, by: u32) -> Vec<u8> {
    let mut number = [0; 4];
    number[..field.len()].copy_from_slice(&bytes[field.clone()]);
    let number = u32::from_le_bytes(number).wrapping_add(by).to_le_bytes();
    bytes[field.clone()].copy_from_slice(&number[..field.len()]);
    seal(&mut bytes);
    bytes
}

/// A change to bytes, with places as fractions of their length.
#[derive(Clone, Debug)]
enum Change {
    Flip {
        at: prop::sample::Index,
        bit: u8,
    },
    Cut {
        at: prop::sample::Index,
    },
    Append {
        bytes: Vec<u8>,
    },
    Insert {
        at: prop::sample::Index,
        bytes: Vec<u8>,
    },
    Remove {
        at: prop::sample::Index,
        length: usize,
    },
    /// From another envelope, as when two writes are mixed up.
    Splice {
        at: prop::sample::Index,
    },
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>, other: &[u8]) {
        match self {
            Self::Flip { at, bit } => {
                let at = at.index(bytes.len() + 1);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Cut { at } => bytes.truncate(at.index(bytes.len() + 1)),
            Self::Append { bytes: more } => bytes.extend(more),
            Self::Insert { at, bytes: more } => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Remove { at, length } => {
                let at = at.index(bytes.len() + 1);
                let end = bytes.len().min(at + length);
                bytes.drain(at..end);
            }
            Self::Splice { at } => {
                let at = at.index(bytes.len() + 1);
                bytes.truncate(at);
                bytes.extend(other.get(at..).unwrap_or_default());
            }
        }
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    let at = || any::<prop::sample::Index>();
    prop_oneof![
        4 => (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip { at, bit }),
        1 => at().prop_map(|at| Change::Cut { at }),
        1 => vec(any::<u8>(), 1..20).prop_map(|bytes| Change::Append { bytes }),
        1 => (at(), vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Change::Insert { at, bytes }),
        1 => (at(), 1..20_usize).prop_map(|(at, length)| Change::Remove { at, length }),
        1 => at().prop_map(|at| Change::Splice { at }),
    ]
}

fn any_sealed() -> impl Strategy<Value = Vec<u8>> {
    (
        any_header(),
        any_full_key(),
        any_payload(),
        option::of(Just(0)),
    )
        .prop_map(|(header, full_key, payload, compress_from)| {
            sealed(&header, full_key.as_deref(), &payload, compress_from)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn arbitrary_bytes_are_refused(bytes in vec(any::<u8>(), 0..300), is_marked: bool) {
        let mut bytes = bytes;
        if is_marked {
            bytes.splice(..0, [0xfa, 0xce, FORMAT]);
        }
        prop_assert!(open(&bytes, LIMIT).is_err());
    }

    #[test]
    fn whatever_differs_from_what_was_sealed_is_refused(
        bytes in any_sealed(),
        other in any_sealed(),
        changes in vec(any_change(), 1..4),
    ) {
        let mut changed = bytes.clone();
        for change in &changes {
            change.apply(&mut changed, &other);
        }
        // A splice can give one of the two.
        prop_assume!(changed != bytes && changed != other);
        prop_assert!(open(&changed, LIMIT).is_err());
    }

    /// Behind the checksum: there is one envelope for each content, so no other bytes pass for it.
    #[test]
    fn what_is_opened_is_what_sealing_it_would_give(
        bytes in any_sealed(),
        other in any_sealed(),
        changes in vec(any_change(), 1..4),
    ) {
        let mut changed = bytes;
        for change in &changes {
            change.apply(&mut changed, &other);
        }
        seal(&mut changed);
        if let Ok(opened) = open(&changed, LIMIT) {
            prop_assert!(opened.payload.len() <= LIMIT);
            if let Cow::Borrowed(payload) = opened.payload {
                prop_assert_eq!(sealed(&opened.header, opened.full_key, payload, None), changed);
            }
        }
    }

    #[test]
    fn arbitrary_compressed_bytes_do_no_harm(
        rest in vec(any::<u8>(), 0..200),
        method in 1..=2_u8,
        raw_length in 0..5_000_u32,
    ) {
        let bytes = envelope(method, raw_length, &rest);
        if let Ok(opened) = open(&bytes, LIMIT) {
            prop_assert_eq!(opened.payload.len(), raw_length as usize);
        }
    }

    #[test]
    fn a_length_that_is_not_true_is_refused(
        header in any_header(),
        full_key in any_full_key(),
        payload in any_payload(),
        compress_from in option::of(Just(0)),
        by in prop_oneof![1..20_u32, any::<u32>().prop_filter("a change", |by| by % 65_536 != 0)],
    ) {
        let bytes = sealed(&header, full_key.as_deref(), &payload, compress_from);
        for by in [by, by.wrapping_neg()] {
            let key_length = HEAD + header.stamps.len() * 8;
            prop_assert!(open(&inflated(bytes.clone(), RAW_LENGTH, by), LIMIT).is_err());
            prop_assert!(open(&inflated(bytes.clone(), STAMPS, by), LIMIT).is_err());
            if full_key.is_some() {
                let field = key_length..key_length + 4;
                prop_assert!(open(&inflated(bytes.clone(), field, by), LIMIT).is_err());
            }
        }
    }
}

#[test]
fn each_flipped_bit_is_noticed() {
    for full_key in [None, Some("key")] {
        let bytes = sealed(&header(&[7, 8]), full_key, b"value", None);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                let expected = match at {
                    0..2 => Damage::NotOurs,
                    2 => Damage::OtherFormat,
                    _ => Damage::Damaged,
                };
                assert_eq!(open(&bytes, LIMIT), Err(expected), "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn each_cut_is_noticed() {
    let bytes = sealed(&header(&[7, 8]), Some("key"), b"value", None);
    for length in 0..bytes.len() {
        let expected = if length < 2 {
            Damage::NotOurs
        } else {
            Damage::Damaged
        };
        assert_eq!(
            open(&bytes[..length], LIMIT),
            Err(expected),
            "{length} bytes"
        );
        let mut cut = bytes[..length].to_vec();
        seal(&mut cut);
        assert_eq!(open(&cut, LIMIT), Err(expected), "{length} bytes, intact");
    }
}

#[test]
fn what_this_version_does_not_know_is_another_format() {
    let intact = |at: usize, value: u8| {
        let mut bytes = sealed(&header(&[]), None, b"value", None);
        bytes[at] = value;
        seal(&mut bytes);
        bytes
    };
    for bit in 5..8 {
        assert_eq!(
            open(&intact(3, 1 << bit), LIMIT),
            Err(Damage::OtherFormat),
            "flag {bit}"
        );
    }
    for (at, value) in [(2, 0), (2, 2), (3, 3), (62, 1), (63, 1)] {
        assert_eq!(
            open(&intact(at, value), LIMIT),
            Err(Damage::OtherFormat),
            "{value} at {at}"
        );
    }
}

#[test]
fn times_out_of_order_are_damage() {
    let cases = [
        ([5, 5, 5], true),
        ([6, 5, 5], false),
        ([5, 6, 5], false),
        ([0, 7, 9], true),
        // Stale from the beginning.
        ([7, 0, 9], true),
    ];
    for ([created, soft, hard], is_in_order) in cases {
        let header = Header {
            created,
            soft,
            hard,
            ..header(&[])
        };
        let bytes = sealed(&header, None, b"value", None);
        let opened = open(&bytes, LIMIT);
        assert_eq!(opened.is_ok(), is_in_order, "{created} {soft} {hard}");
        assert!(is_in_order || opened == Err(Damage::Damaged));
    }
}

#[test]
fn a_full_key_that_is_no_text_is_damage() {
    let mut bytes = sealed(&header(&[]), Some("key"), b"value", None);
    bytes[HEAD + 4] = 0xff;
    seal(&mut bytes);
    assert_eq!(open(&bytes, LIMIT), Err(Damage::Damaged));
}

/// One literal, repeated: each byte stands for 255.
fn lz4_bomb() -> Vec<u8> {
    let mut block = vec![0x1f, b'a', 1, 0];
    block.resize(10_000, 0xff);
    block.extend([0, 0x50]);
    block.extend(b"aaaaa");
    block
}

/// Each block of four bytes stands for 128 KiB.
fn zstd_bomb(announced: u32) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    frame.extend(announced.to_le_bytes());
    for n in 0..1_000_u32 {
        let block = (128 << 10) << 3 | 1 << 1 | u32::from(n == 999);
        frame.extend(&block.to_le_bytes()[..3]);
        frame.push(b'a');
    }
    frame
}

#[test]
fn a_bomb_is_refused() {
    let refused = |method: Method| {
        if method.is_built_in() {
            Damage::Damaged
        } else {
            Damage::CannotDecompress
        }
    };
    let limit = u32::try_from(LIMIT).unwrap();
    let bombs = [
        (Method::Lz4, lz4_bomb()),
        (Method::Zstd, zstd_bomb(limit)),
        (Method::Zstd, zstd_bomb(128 << 20)),
        (Method::Zstd, zstd_bomb(u32::MAX)),
    ];
    for (method, bomb) in bombs {
        let open_as =
            |raw_length| open(&envelope(method as u8, raw_length, &bomb), LIMIT).unwrap_err();
        for raw_length in [limit - 1, limit] {
            assert_eq!(open_as(raw_length), refused(method));
        }
        for raw_length in [limit + 1, 128 << 20, u32::MAX] {
            assert_eq!(open_as(raw_length), Damage::TooLarge);
        }
    }
}

#[test]
fn the_bombs_are_some() {
    let raw = |method, packed: &[u8], length| compress::decompress(method, packed, length);
    if Method::Lz4.is_built_in() {
        let length = 1 + 19 + 9_996 * 255 + 5;
        assert!(raw(Method::Lz4, &lz4_bomb(), length).is_some());
    }
    if Method::Zstd.is_built_in() {
        let length = 1_000 << 17;
        assert!(raw(Method::Zstd, &zstd_bomb(1_000 << 17), length).is_some());
    }
}

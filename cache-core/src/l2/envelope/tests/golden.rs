//! Format 1, byte by byte. A change here is another format.

use super::*;

fn example() -> Header {
    Header {
        lineage: 0x1112_1314_1516_1718,
        created: 0x2122_2324_2526_2728,
        soft: 0x3132_3334_3536_3738,
        hard: 0x4142_4344_4546_4748,
        load_time: 0x5152_5354,
        key_check: 0x6162_6364_6566_6768,
        stamps: SmallVec::from_slice(&[0x7172_7374_7576_7778, 1]),
        is_unsettled: false,
        is_outliving: false,
    }
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn an_envelope_without_a_full_key() {
    let expected = "
        face 01 00 05000000  ac617a63ad86a05f
        1817161514131211  2827262524232221  3837363534333231  4847464544434241
        6867666564636261  54535251 0200 0000
        7877767574737271  0100000000000000
        76616c7565";
    assert_eq!(sealed(&example(), None, b"value", None), from_hex(expected));
}

#[test]
fn an_envelope_with_a_full_key() {
    let expected = "
        face 01 04 05000000  af9f3367fdc12f47
        1817161514131211  2827262524232221  3837363534333231  4847464544434241
        6867666564636261  54535251 0200 0000
        7877767574737271  0100000000000000
        05000000 6b c3a9 7920
        76616c7565";
    let bytes = sealed(&example(), Some("kéy "), b"value", None);
    assert_eq!(bytes, from_hex(expected));
}

#[test]
fn the_emptiest_envelope() {
    let expected = "
        face 01 00 00000000  6e1053e4e178b4dd
        0100000000000000  0200000000000000  0300000000000000  0400000000000000
        0600000000000000  05000000 0000 0000";
    assert_eq!(sealed(&header(&[]), None, b"", None), from_hex(expected));
}

/// The checksum is computed in another way from 241 bytes on.
#[test]
fn the_checksum_of_a_longer_envelope() {
    let payload: Vec<u8> = (0..=255).cycle().take(300).collect();
    let bytes = sealed(&header(&[]), None, &payload, None);
    assert_eq!(bytes[8..16], from_hex("b3aae349240ef19d"));
}

/// How well a library compresses may change. What it made once must stay readable.
#[test]
fn what_was_compressed_once_is_readable() {
    let payload = b"value ".repeat(20);
    let lz4 = "
        face 01 01 78000000  4e23392674173115
        0100000000000000  0200000000000000  0300000000000000  0400000000000000
        0600000000000000  05000000 0000 0000
        6f76616c7565200600596076616c756520";
    let zstd = "
        face 01 02 78000000  555d353ffdc2cb10
        0100000000000000  0200000000000000  0300000000000000  0400000000000000
        0600000000000000  05000000 0000 0000
        28b52ffd20786d00003076616c75652001002f692902";
    for (method, hex) in [(Method::Lz4, lz4), (Method::Zstd, zstd)] {
        let bytes = from_hex(hex);
        let opened = open(&bytes, LIMIT);
        if method.is_built_in() {
            assert_eq!(&*opened.unwrap().payload, payload);
        } else {
            assert_eq!(opened, Err(Damage::CannotDecompress));
        }
    }
}

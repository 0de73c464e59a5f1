//! Keys are injective, and look as they always did.

mod distinct;
mod golden;
mod model;

use super::{CacheKey, KeyWriter};

fn bytes(value: &(impl CacheKey + ?Sized)) -> Vec<u8> {
    let mut key = KeyWriter::for_bytes();
    value.write(&mut key);
    let bytes = key.as_bytes().to_vec();
    let mut hash = KeyWriter::for_hash();
    value.write(&mut hash);
    assert_eq!(hash.hash(), key.hash());
    let is_same = |bytes: &[u8]| {
        let mut same = KeyWriter::to_compare_with(bytes);
        value.write(&mut same);
        same.is_same()
    };
    assert!(is_same(&bytes));
    for cut in 0..bytes.len() {
        let mut other = bytes.clone();
        other[cut] ^= 0x80;
        assert!(!is_same(&other) && !is_same(&bytes[..cut]));
    }
    assert!(!is_same(&[&bytes[..], &[0]].concat()));
    bytes
}

fn text(value: &(impl CacheKey + ?Sized)) -> String {
    let mut key = KeyWriter::for_text();
    value.write(&mut key);
    key.into_text()
}

#[test]
fn keys_of_any_length_are_whole() {
    for first in 0..300 {
        let (first, second) = (vec![1_u8; first], [2_u8; 60]);
        let mut key = KeyWriter::for_bytes();
        key.uncounted(&first);
        second.chunks(7).for_each(|chunk| key.uncounted(chunk));
        key.uncounted(&[]);
        assert_eq!(key.as_bytes(), [&first[..], &second].concat());
    }
}

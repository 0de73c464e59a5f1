//! Keys are injective, and look as they always did.

mod distinct;
mod golden;
mod model;

use super::{CacheKey, KeyWriter};

fn bytes(value: &(impl CacheKey + ?Sized)) -> Vec<u8> {
    let mut key = KeyWriter::for_bytes();
    value.write(&mut key);
    key.as_bytes().to_vec()
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

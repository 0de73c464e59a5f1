//! A key as text that another process of the same program reads again: the pieces in which it was written, as a key
//! is hashed by these, with a seed that each process has of its own.

use super::{KeyWriter, bytes::Kept, text::push_hex};

impl KeyWriter<'static> {
    /// For a key that is to be told to others.
    pub(crate) fn for_record() -> Self {
        Self::kept(Kept::new(true))
    }

    /// What was written, in hexadecimal digits.
    pub(crate) fn into_record(self) -> String {
        let bytes = self.as_bytes();
        let mut text = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            push_hex(&mut text, *byte, |digit| digit.to_ascii_lowercase());
        }
        text
    }

    /// Writes again what was recorded; nothing where that is none.
    pub(crate) fn replayed(record: &str) -> Option<Self> {
        let (pairs, rest) = record.as_bytes().as_chunks::<2>();
        let value = |digit: u8| char::from(digit).to_digit(16);
        let byte = |[high, low]: &[u8; 2]| u8::try_from(16 * value(*high)? + value(*low)?).ok();
        let record: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>()?;
        if !rest.is_empty() {
            return None;
        }
        let mut kept = Kept::new(false);
        let mut rest = &*record;
        while !rest.is_empty() {
            rest = kept.replay(rest)?;
        }
        Some(Self::kept(kept))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        corpus::each_is_what_its_name_says,
        key::{CacheKey, Key},
    };

    fn replayed(key: &impl CacheKey) -> [KeyWriter<'static>; 2] {
        let (mut plain, mut record) = (KeyWriter::for_bytes(), KeyWriter::for_record());
        key.write(&mut plain);
        key.write(&mut record);
        [plain, KeyWriter::replayed(&record.into_record()).unwrap()]
    }

    proptest! {
        #[test]
        fn a_key_is_found_again_by_its_record(
            id: u64, small: u8, wide: u128, name: String, tags: Vec<Option<String>>, long in ".{200,300}",
        ) {
            let [plain, replayed] = replayed(&(id, small, wide, name, tags, long, (true, 'x', [7_u8; 3])));
            let of = |writer: &KeyWriter| Key::new(std::any::TypeId::of::<u8>(), writer);
            prop_assert_eq!(of(&plain), of(&replayed));
        }

        #[test]
        fn whatever_bytes_are_recorded_are_no_harm(bytes: Vec<u8>) {
            let _ = KeyWriter::replayed(&String::from_utf8_lossy(&bytes));
            let mut hex = String::new();
            for byte in &bytes {
                push_hex(&mut hex, *byte, |digit| digit);
            }
            if let Some(key) = KeyWriter::replayed(&hex) {
                prop_assert!(key.as_bytes().len() <= bytes.len());
            }
        }

        #[test]
        fn what_is_no_record_is_no_key(text: String, digits in "[0-9a-f]{0,64}") {
            let _ = KeyWriter::replayed(&text);
            let _ = KeyWriter::replayed(&digits);
        }
    }

    #[test]
    fn each_saved_record_is_what_its_name_says() {
        each_is_what_its_name_says("record", |_, bytes| {
            let key = KeyWriter::replayed(&String::from_utf8_lossy(bytes));
            if key.is_some() { "key" } else { "none" }.into()
        });
    }

    #[test]
    fn a_record_that_was_cut_is_none() {
        let mut record = KeyWriter::for_record();
        (7_u64, "Ada").write(&mut record);
        let record = record.into_record();
        assert!(KeyWriter::replayed(&record).is_some());
        for cut in [1, 2, 4, record.len() - 3] {
            assert!(
                KeyWriter::replayed(&record[..record.len() - cut]).is_none(),
                "{cut}"
            );
        }
    }
}

//! Of the types where careless encodings meet: different values, different keys.

use std::{collections::BTreeMap, fmt::Debug};

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};

use super::{bytes, text};
use crate::key::CacheKey;

/// Short texts of few characters, so that random pairs are near each other.
const TEXT: &str = "[a%~+,=:()\\[\\]{}é]{0,3}";

fn keys_differ_as_values_do<T: CacheKey + Debug + PartialEq>(a: &T, b: &T) {
    assert_eq!(a == b, bytes(a) == bytes(b), "{a:?} {b:?}");
    assert_eq!(a == b, text(a) == text(b), "{a:?} {b:?}");
}

fn pair<S: Strategy>(of: impl Fn() -> S) -> impl Strategy<Value = (S::Value, S::Value)> {
    (of(), of())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn pairs_of_texts((a, b) in pair(|| (TEXT, TEXT))) {
        keys_differ_as_values_do(&a, &b);
    }

    #[test]
    fn texts_beside_numbers((a, b) in pair(|| (0..12_u8, TEXT, 0..12_u8))) {
        keys_differ_as_values_do(&a, &b);
    }

    #[test]
    fn nested_options((a, b) in pair(|| option::of(option::of(TEXT)))) {
        keys_differ_as_values_do(&a, &b);
    }

    #[test]
    fn lists_of_texts((a, b) in pair(|| vec(TEXT, 0..4))) {
        keys_differ_as_values_do(&a, &b);
    }

    #[test]
    fn lists_of_lists((a, b) in pair(|| (vec(vec(0..2_i8, 0..3), 0..3), vec(0..2_u8, 0..3)))) {
        keys_differ_as_values_do(&a, &b);
    }

    #[test]
    fn maps((a, b) in pair(|| btree_map(TEXT, option::of(TEXT), 0..3))) {
        let _: &BTreeMap<String, Option<String>> = &a;
        keys_differ_as_values_do(&a, &b);
    }
}

#[test]
fn lists_near_empty() {
    let lists: [&[&str]; 7] = [&[], &[""], &["", ""], &[","], &["[]"], &["a"], &["a", ""]];
    for a in lists {
        for b in lists {
            keys_differ_as_values_do(&a, &b);
        }
    }
}

#[test]
fn units_are_counted() {
    keys_differ_as_values_do(&vec![(); 1], &vec![(); 2]);
    keys_differ_as_values_do(&Some(()), &None);
}

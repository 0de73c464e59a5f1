//! An envelope gives back what was sealed, or an error.

mod corpus;
mod golden;
mod hostile;

use proptest::{collection::vec, option, prelude::*};

use super::*;

/// A limit that none of the payloads here reaches.
const LIMIT: usize = 64 * 1024;

fn sealed(
    header: &Header,
    full_key: Option<&str>,
    payload: &[u8],
    compress_from: Option<usize>,
) -> Vec<u8> {
    let mut draft = start(header, full_key);
    draft.payload().extend_from_slice(payload);
    draft.finish(compress_from, LIMIT).unwrap()
}

fn header(stamps: &[u64]) -> Header {
    Header {
        lineage: 1,
        created: 2,
        soft: 3,
        hard: 4,
        load_time: 5,
        key_check: 6,
        stamps: SmallVec::from_slice(stamps),
        is_unsettled: false,
        is_outliving: false,
    }
}

fn any_header() -> impl Strategy<Value = Header> {
    (
        any::<[u64; 2]>(),
        any::<[u64; 3]>(),
        any::<u32>(),
        vec(any::<u64>(), 0..12),
        any::<[bool; 2]>(),
    )
        .prop_map(
            |([lineage, key_check], mut times, load_time, stamps, [is_unsettled, is_outliving])| {
                times.sort_unstable();
                let [created, soft, hard] = times;
                Header {
                    lineage,
                    created,
                    soft,
                    hard,
                    load_time,
                    key_check,
                    stamps: stamps.into(),
                    is_unsettled,
                    is_outliving,
                }
            },
        )
}

fn any_full_key() -> impl Strategy<Value = Option<String>> {
    option::of(vec(any::<char>(), 0..40).prop_map(String::from_iter))
}

/// Some that can be compressed, some that cannot.
fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..600),
        (vec(any::<u8>(), 1..40), 1..400_usize).prop_map(|(part, times)| part.repeat(times)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_was_sealed_comes_back(
        header in any_header(),
        full_key in any_full_key(),
        payload in any_payload(),
        compress_from in option::of(0..2_000_usize),
    ) {
        let bytes = sealed(&header, full_key.as_deref(), &payload, compress_from);
        let opened = open(&bytes, payload.len()).unwrap();
        prop_assert_eq!(opened.header, header);
        prop_assert_eq!(opened.full_key, full_key.as_deref());
        prop_assert_eq!(&*opened.payload, payload);
    }
}

#[test]
fn a_payload_as_it_is_is_not_copied() {
    let bytes = sealed(&header(&[7]), Some("key"), &[0; 5_000], None);
    let opened = open(&bytes, LIMIT).unwrap();
    assert!(matches!(opened.payload, Cow::Borrowed(_)));
}

#[test]
fn only_what_is_long_enough_and_gets_smaller_is_compressed() {
    let zeros = [0; 5_000];
    let plain = sealed(&header(&[]), None, &zeros, None);
    assert_eq!(plain.len(), HEAD + zeros.len());
    assert_eq!(sealed(&header(&[]), None, &zeros, Some(5_001)), plain);
    let compressed = sealed(&header(&[]), None, &zeros, Some(5_000));
    if Method::Lz4.is_built_in() || Method::Zstd.is_built_in() {
        assert!(compressed.len() < 200);
    } else {
        assert_eq!(compressed, plain);
    }
    let short = [1, 2, 3];
    assert_eq!(
        sealed(&header(&[]), None, &short, Some(0)),
        sealed(&header(&[]), None, &short, None)
    );
}

#[test]
fn a_payload_over_the_limit_is_neither_sealed_nor_opened() {
    for compress_from in [None, Some(0)] {
        let draft = || {
            let mut draft = start(&header(&[7; 9]), Some("key"));
            draft.payload().extend_from_slice(&[0; 1_000]);
            draft
        };
        assert_eq!(draft().finish(compress_from, 999), Err(TooLarge));
        let bytes = draft().finish(compress_from, 1_000).unwrap();
        assert_eq!(open(&bytes, 999), Err(Damage::TooLarge));
        assert_eq!(&*open(&bytes, 1_000).unwrap().payload, [0; 1_000]);
    }
}

#[test]
fn more_stamps_than_the_format_can_count_are_refused() {
    let stamps = vec![7; 65_536];
    let bytes = sealed(&header(&stamps[1..]), None, b"value", None);
    assert_eq!(open(&bytes, LIMIT).unwrap().header.stamps.len(), 65_535);
    let mut draft = start(&header(&stamps), None);
    draft.payload().extend_from_slice(b"value");
    assert_eq!(draft.finish(None, LIMIT), Err(TooLarge));
}

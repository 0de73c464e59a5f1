//! Bytes that nobody wrote. What is wrong with them is an error, never a panic and never without end.

use std::{collections::BTreeMap, fs, path::Path};

use proptest::{collection, prelude::*, sample::Index, test_runner::TestCaseResult};

use super::{
    super::{Codec, Postcard},
    Value, encode, for_each_codec,
    types::*,
};

/// If the bytes are a value after all, then it is one like others.
fn survives<C: Codec<T>, T: Value>(bytes: &[u8]) {
    if let Ok(value) = C::decode(bytes) {
        encode::<C, T>(&value).unwrap();
    }
}

/// What happens to bytes on the way.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Cut(Index),
    Append(Vec<u8>),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    /// Anything may be a length.
    Inflate(Index, u8),
}

impl Damage {
    fn inflict(&self, bytes: &mut Vec<u8>) {
        let place = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
        match self {
            Self::Flip(index, bits) => {
                let at = place(index, bytes);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bits;
                }
            }
            Self::Cut(index) => bytes.truncate(place(index, bytes)),
            Self::Append(more) => bytes.extend(more),
            Self::Insert(index, more) => {
                let at = place(index, bytes);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Remove(index, len) => {
                let at = place(index, bytes);
                bytes.drain(at..(at + len).min(bytes.len()));
            }
            Self::Repeat(index, len) => {
                let at = place(index, bytes);
                let again = bytes[at..(at + len).min(bytes.len())].to_vec();
                bytes.splice(at..at, again);
            }
            Self::Inflate(index, by) => {
                let at = place(index, bytes);
                if at < bytes.len() {
                    bytes.splice(at..=at, vec![0xff; usize::from(*by)]);
                }
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let some = || collection::vec(any::<u8>(), 1..12);
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        any::<Index>().prop_map(Damage::Cut),
        some().prop_map(Damage::Append),
        (any::<Index>(), some()).prop_map(|(at, more)| Damage::Insert(at, more)),
        (any::<Index>(), 1_usize..20).prop_map(|(at, len)| Damage::Remove(at, len)),
        (any::<Index>(), 1_usize..40).prop_map(|(at, len)| Damage::Repeat(at, len)),
        (any::<Index>(), 1_u8..12).prop_map(|(at, by)| Damage::Inflate(at, by)),
    ]
}

fn survives_damage<C: Codec<T>, T: Value>(value: &T, damages: &[Damage]) {
    let mut bytes = encode::<C, T>(value).unwrap();
    for damage in damages {
        damage.inflict(&mut bytes);
        survives::<C, T>(&bytes);
    }
}

/// Damage that changes how the bytes would be taken apart cannot go unseen in postcard; what only
/// changes a number or a letter is for the checksum of the envelope.
fn is_of_the_same_form(value: &List, damages: &[Damage]) -> TestCaseResult {
    let whole = encode::<Postcard, List>(value).unwrap();
    let mut bytes = whole.clone();
    for damage in damages {
        damage.inflict(&mut bytes);
    }
    if let Ok(read) = <Postcard as Codec<List>>::decode(&bytes) {
        prop_assert_eq!(length(&read), length(value));
    }
    Ok(())
}

fn length(list: &List) -> usize {
    match list {
        List::End => 0,
        List::Item(_, rest) => 1 + length(rest),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_survived(bytes in collection::vec(any::<u8>(), 0..200)) {
        for_each_codec!(survives::<Order>(&bytes));
        for_each_codec!(survives::<Aliased>(&bytes));
        for_each_codec!(survives::<List>(&bytes));
        for_each_codec!(survives::<Tree>(&bytes));
        for_each_codec!(survives::<Hollow>(&bytes));
        for_each_codec!(survives::<Vec<()>>(&bytes));
        for_each_codec!(survives::<BTreeMap<String, Vec<Option<u64>>>>(&bytes));
    }

    #[test]
    fn damage_is_survived(
        order in order(),
        aliased in aliased(),
        tree in tree(),
        damages in collection::vec(damage(), 1..6),
    ) {
        for_each_codec!(survives_damage::<Order>(&order, &damages));
        for_each_codec!(survives_damage::<Aliased>(&aliased, &damages));
        for_each_codec!(survives_damage::<Tree>(&tree, &damages));
    }

    #[test]
    fn damage_never_changes_how_postcard_is_taken_apart(
        list in list(),
        damages in collection::vec(damage(), 1..4),
    ) {
        is_of_the_same_form(&list, &damages)?;
    }
}

fn refusal<C: Codec<T>, T>(bytes: &[u8]) -> Option<String> {
    C::decode(bytes).err().map(|error| error.to_string())
}

/// Each file is named by the type that refuses it, and by what is wrong with it.
fn refuses_its_corpus<C>()
where
    C: Codec<Order> + Codec<Aliased> + Codec<List> + Codec<Tree> + Codec<Hollow> + Codec<Chain>,
    C: Codec<Vec<()>> + Codec<Vec<Vec<()>>> + Codec<BTreeMap<String, u64>>,
{
    let name = <C as Codec<Order>>::NAME;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus/codec")
        .join(name);
    let mut files = 0;
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let file = path.file_stem().unwrap().to_str().unwrap();
        let (of, wrong) = file.split_once('-').unwrap();
        let error = match of {
            "order" => refusal::<C, Order>(&bytes),
            "aliased" => refusal::<C, Aliased>(&bytes),
            "list" => refusal::<C, List>(&bytes),
            "tree" => refusal::<C, Tree>(&bytes),
            "hollow" => refusal::<C, Hollow>(&bytes),
            "chain" => refusal::<C, Chain>(&bytes),
            "units" => refusal::<C, Vec<()>>(&bytes),
            "nested" => refusal::<C, Vec<Vec<()>>>(&bytes),
            "map" => refusal::<C, BTreeMap<String, u64>>(&bytes),
            _ => panic!("{} is of no type", path.display()),
        };
        let error = error.unwrap_or_else(|| panic!("{} is read", path.display()));
        // What else is wrong is found out although the shape is wrong too.
        let is_unlike = error.contains("not what was written");
        assert!(
            !is_unlike || wrong == "of-another-shape",
            "{}",
            path.display()
        );
        files += 1;
    }
    assert!(files > 0, "{} is empty", folder.display());
}

#[test]
fn the_corpus_is_refused() {
    refuses_its_corpus::<Postcard>();
    #[cfg(feature = "json")]
    refuses_its_corpus::<super::super::Json>();
    #[cfg(feature = "msgpack")]
    refuses_its_corpus::<super::super::Msgpack>();
}

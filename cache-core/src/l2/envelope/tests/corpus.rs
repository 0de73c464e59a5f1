//! Envelopes that were found damaged, or could be. A file says in its name, before the first dash, what opening it
//! must give; a new kind of damage is a new file.

use std::{fs, path::Path};

use super::*;

/// What a file is opened with.
const CORPUS_LIMIT: usize = 4_096;

fn expected(name: &str) -> Damage {
    let (damage, what) = name.split_once('-').expect("a name is `damage-what.bin`");
    let damage = match damage {
        "not_ours" => Damage::NotOurs,
        "other_format" => Damage::OtherFormat,
        "damaged" => Damage::Damaged,
        "too_large" => Damage::TooLarge,
        _ => panic!("`{name}` begins with no kind of damage"),
    };
    // Nobody looks into what cannot be decompressed.
    let is_unreadable = what.starts_with("lz4") && !Method::Lz4.is_built_in()
        || what.starts_with("zstd") && !Method::Zstd.is_built_in();
    if is_unreadable && damage == Damage::Damaged {
        Damage::CannotDecompress
    } else {
        damage
    }
}

#[test]
fn each_saved_envelope_is_refused_for_what_its_name_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/envelope");
    let mut files = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(open(&bytes, CORPUS_LIMIT), Err(expected(name)), "{name}");
        files += 1;
    }
    assert!(files > 0, "the corpus is empty");
}

//! Bytes that were found to be trouble, or could be. Each is a file that says in its name, before the first dash, what
//! becomes of it; a new kind of trouble is a new file.

use std::{fs, path::Path};

/// All of one folder, by their names.
pub(crate) fn saved(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(folder);
    let files = fs::read_dir(folder).unwrap().map(|file| {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read(path).unwrap())
    });
    let files: Vec<_> = files.collect();
    assert!(!files.is_empty(), "the corpus is empty");
    files
}

/// All of one folder become what their names say.
pub(crate) fn each_is_what_its_name_says(folder: &str, what: impl Fn(&str, &[u8]) -> String) {
    let wrong = saved(folder).into_iter().filter_map(|(name, bytes)| {
        let is = what(&name, &bytes);
        (name.split('-').next() != Some(&is)).then(|| format!("{name} is {is}"))
    });
    assert_eq!(wrong.collect::<Vec<_>>(), [""; 0]);
}

//! Reads traces, each in the form in which it was published.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::Accesses;

/// More calls than these change no rate by much, and take long.
const LONGEST: usize = 1_000_000;

/// All traces of a folder that are known.
pub(crate) fn of(folder: &Path) -> Vec<Accesses> {
    let entries = fs::read_dir(folder).expect("`CACHE_TRACES` is a folder");
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| read(path)).collect()
}

fn read(path: &Path) -> Option<Accesses> {
    let file = path.file_name()?.to_str()?;
    let program = match path.extension()?.to_str()? {
        "zst" => "zstd",
        "xz" => "xz",
        "gz" => "gzip",
        _ => return None,
    };
    let unpacked = Command::new(program)
        .arg("-dc")
        .arg(path)
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("`{program}` unpacks `{file}`: {error}"));
    let bytes = unpacked.stdout;
    let mut keys: Vec<u64> = if file.starts_with("arc-") {
        ranges(&bytes)
    } else if file.starts_with("cache2k-") {
        let (numbers, _) = bytes.as_chunks::<4>();
        numbers
            .iter()
            .map(|number| u32::from_be_bytes(*number).into())
            .collect()
    } else if file.starts_with("scarab-") {
        let (numbers, _) = bytes.as_chunks::<8>();
        numbers
            .iter()
            .map(|number| u64::from_be_bytes(*number))
            .collect()
    } else if file.starts_with("lirs-") {
        text(&bytes)
            .filter_map(|line| line.trim().parse().ok())
            .collect()
    } else {
        return None;
    };
    keys.truncate(LONGEST);
    let name = file.split('.').next()?.to_owned();
    Some(Accesses { name, keys })
}

/// `start count ..`: so many keys from the first on.
fn ranges(bytes: &[u8]) -> Vec<u64> {
    let ranges = text(bytes).filter_map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (start, count) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(start..start + count)
    });
    ranges.flatten().take(LONGEST).collect()
}

fn text(bytes: &[u8]) -> impl Iterator<Item = &str> {
    str::from_utf8(bytes).unwrap_or_default().lines()
}

//! What does not compile, with what the compiler says to it. What compiles, and works, is in `shapes.rs`.
//!
//! After a change of a message: `TRYBUILD=overwrite cargo test -p tests --test ui`, then read the difference.

use std::{collections::BTreeMap, fs, path::Path};

#[rustversion::attr(not(stable(1.95)), ignore = "the texts are those of Rust 1.95")]
#[test]
fn mistakes_are_reported_where_they_are() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/fail/*.rs");
}

/// How a case says that it holds more than one mistake.
const MISTAKES: &str = "//! Mistakes: ";

#[test]
fn each_mistake_is_one_error() {
    let texts = texts();
    let mut faults = Vec::new();
    for (name, (source, said)) in &texts {
        let (Some(source), Some(said)) = (source, said) else {
            faults.push(format!("{name} has a source or a text, and not both"));
            continue;
        };
        let stated = source.lines().find_map(|line| line.strip_prefix(MISTAKES));
        let stated = stated.map(|rest| rest.trim_end_matches('.').parse::<usize>());
        let mistakes = match stated {
            None => 1,
            Some(Ok(mistakes)) if mistakes > 1 => mistakes,
            Some(_) => {
                faults.push(format!(
                    "{name} does not state how many mistakes it holds, as in `{MISTAKES}2.`"
                ));
                continue;
            }
        };
        let errors = starting(said, "error");
        if errors != mistakes {
            faults.push(format!("{name} holds {mistakes} and has {errors} errors"));
        }
        if starting(said, "warning") > 0 {
            faults.push(format!("{name} has a warning beside its error"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(texts.len() > 120, "the cases are somewhere else");
}

fn starting(said: &str, level: &str) -> usize {
    said.lines().filter(|line| line.starts_with(level)).count()
}

/// The sources and the texts that belong to them, by the names of the cases.
fn texts() -> BTreeMap<String, (Option<String>, Option<String>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/fail");
    let mut texts = BTreeMap::<_, (Option<_>, Option<_>)>::new();
    for entry in fs::read_dir(folder).expect("the cases are there") {
        let path = entry.expect("the folder can be read").path();
        let name = path
            .file_stem()
            .expect("a case has a name")
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&path).expect("a case is text");
        let (source, said) = texts.entry(name).or_default();
        if path.extension().is_some_and(|extension| extension == "rs") {
            *source = Some(text);
        } else {
            *said = Some(text);
        }
    }
    texts
}

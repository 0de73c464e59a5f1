//! Guides show these files, or parts of them, as they are.

use std::{fs, io, path::Path};

const QUOTED: [&str; 4] = [
    "compile_tests.rs",
    "ui/fail/a_macro_of_our_own_without_a_unit.rs",
    "ui/fail/a_macro_of_our_own_without_a_unit.stderr",
    "ui/pass/a_macro_of_our_own.rs",
];

#[test]
fn the_guide_shows_the_files_as_they_are() -> io::Result<()> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(package.join("../cache-core/docs/compile_tests.md"))?;
    for name in QUOTED {
        let file = fs::read_to_string(package.join("tests").join(name))?;
        assert!(guide.contains(&file), "{name} is not what the guide shows");
    }
    Ok(())
}

#[test]
fn the_guide_to_metrics_shows_the_handlers_of_the_example() -> io::Result<()> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(package.join("../cache-core/docs/metrics.md"))?;
    let example = fs::read_to_string(package.join("examples/metrics.rs"))?;
    let begin = example.find("async fn metrics").expect("it is served");
    let end = example.find("\n#[cached").expect("it calls a function");
    assert!(guide.contains(&example[begin..end]));
    Ok(())
}

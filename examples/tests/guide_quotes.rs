//! The guide to compile tests shows these files as they are.

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

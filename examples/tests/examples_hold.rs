//! Runs every example: each asserts what it shows.

use std::{env, fs, io, path::Path, process::Command};

#[test]
fn every_example_shows_what_is_true() -> io::Result<()> {
    let test = env::current_exe()?;
    // `cargo test` builds the examples in a folder beside that of the tests.
    let built = test
        .ancestors()
        .nth(2)
        .map(|profile| profile.join("examples"));
    let built = built.expect("tests are built two folders deep");
    for source in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"))? {
        let source = source?.path();
        let name = source.file_stem().expect("sources have names");
        let ended = Command::new(built.join(name)).output()?;
        let complaint = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{}: {complaint}", name.display());
    }
    Ok(())
}

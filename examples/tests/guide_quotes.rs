//! Guides show these files, or parts of them, and what examples print, as they are.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

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

#[test]
fn the_guide_shows_the_graph_of_the_example() -> io::Result<()> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(package.join("../cache-core/docs/graph.md"))?;
    for (form, fence) in [(None, "```text"), (Some("mermaid"), "```mermaid")] {
        let ended = Command::new(example("graph")?).args(form).output()?;
        let shown = String::from_utf8_lossy(&ended.stdout);
        let block = format!("{fence}\n{shown}```\n");
        assert!(guide.contains(&block), "the guide is to show\n{block}");
    }
    Ok(())
}

/// `cargo test` builds the examples in a folder beside that of the tests.
fn example(name: &str) -> io::Result<PathBuf> {
    let test = env::current_exe()?;
    let profile = test.ancestors().nth(2);
    let profile = profile.expect("tests are built two folders deep");
    Ok(profile.join("examples").join(name))
}

//! `cargo xtask test | bench | demo`: sets up what the suites need, and runs them.

use std::{
    env,
    path::Path,
    process::{Command, ExitCode},
};

const USAGE: &str = "\
cargo xtask test    every test of the workspace
cargo xtask bench   side by side with other caches (builds them)
cargo xtask demo    the quickstart";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (task, rest) = arguments
        .split_first()
        .map_or(("", [].as_slice()), |(task, rest)| (task.as_str(), rest));
    let is_done = match task {
        "test" => {
            // The second run: the default build has no feature, and its tests are part of the promise.
            cargo(".", &["test", "--workspace", "--all-features"], rest)
                && cargo(".", &["test", "-p", "cache-core"], rest)
        }
        "bench" => cargo("benches", &["run", "--release", "--"], rest),
        "demo" => cargo(".", &["run", "--release", "-p", "examples"], rest),
        _ => {
            eprintln!("{USAGE}");
            false
        }
    };
    if is_done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs cargo in a folder of the workspace; false when it fails.
fn cargo(folder: &str, arguments: &[&str], rest: &[String]) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root.join(folder))
        .args(arguments)
        .args(rest)
        .status();
    match status {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("cargo does not start: {error}");
            false
        }
    }
}

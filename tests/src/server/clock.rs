//! A wall clock of its own for a server, that can be stepped while it runs.

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const SOURCE: &str = include_str!("clock.c");

/// As a program of this machine reads it.
#[expect(
    clippy::host_endian_bytes,
    reason = "who reads it is of the same machine"
)]
fn bytes(microseconds: i64) -> [u8; 8] {
    microseconds.to_ne_bytes()
}

/// What a server loads before anything else, and the file that says by how much its clock is off.
#[derive(Debug)]
pub(super) struct Clock {
    library: PathBuf,
    step: PathBuf,
}

impl Clock {
    /// One that is right, in this folder.
    ///
    /// # Errors
    ///
    /// Why there can be none: mostly as there is no C compiler.
    pub(super) fn new(folder: &Path) -> Result<Self, String> {
        let source = folder.join("clock.c");
        let clock = Self {
            library: folder.join("clock.so"),
            step: folder.join("step"),
        };
        fs::write(&source, SOURCE).expect("the folder is ours");
        fs::write(&clock.step, bytes(0)).expect("the folder is ours");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&clock.library, &source])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("`cc` does not start: {error}"))?;
        if compiled.status.success() {
            Ok(clock)
        } else {
            let said = String::from_utf8_lossy(&compiled.stderr);
            Err(format!("`cc` cannot make a clock: {said}"))
        }
    }

    /// What is in the environment of whoever has it.
    pub(super) fn environment(&self) -> [(&'static str, OsString); 2] {
        [
            ("LD_PRELOAD", self.library.clone().into()),
            ("CLOCK_STEP", self.step.clone().into()),
        ]
    }

    /// Has it be off by so many microseconds from here on.
    pub(super) fn step(&self, microseconds: i64) {
        // In place: the server sees the file as memory.
        let file = File::options().write(true).open(&self.step);
        let written = file.and_then(|file| file.write_all_at(&bytes(microseconds), 0));
        written.expect("the folder is ours");
    }
}

//! A wall clock of its own for a server, that can be stepped while it runs.

use std::{
    cell::Cell,
    ffi::OsString,
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::Server;

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

thread_local! {
    /// Whether servers get one.
    static IS_WANTED: Cell<bool> = const { Cell::new(false) };
}

/// Starts servers whose wall clocks can be [stepped](Server::step_clock); else those with the clock of all, and says why.
pub fn with_own_clocks<T>(start: impl FnOnce() -> T) -> T {
    IS_WANTED.set(true);
    let started = start();
    IS_WANTED.set(false);
    started
}

impl Server {
    /// Has its wall clock be off by so much from here on, ahead or behind, where it has one of its own.
    pub fn step_clock(&self, microseconds: i64) {
        if let Some(clock) = &self.clock {
            clock.step(microseconds);
        }
    }
}

impl Clock {
    pub(super) fn where_wanted(folder: &Path) -> Option<Self> {
        let clock = IS_WANTED.get().then(|| Self::new(folder))?;
        let told = clock.inspect_err(|why| eprintln!("clocks are not stepped: {why}"));
        told.ok()
    }

    /// One that is right, in this folder.
    ///
    /// # Errors
    ///
    /// Why there can be none: mostly as there is no C compiler.
    fn new(folder: &Path) -> Result<Self, String> {
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
    fn step(&self, microseconds: i64) {
        // In place: the server sees the file as memory.
        let file = File::options().write(true).open(&self.step);
        let written = file.and_then(|file| file.write_all_at(&bytes(microseconds), 0));
        written.expect("the folder is ours");
    }
}

//! `cargo xtask test` on a machine without `redis-server`. All programs it could run are scripts in
//! the only folder of its `PATH`, which write down how they were called.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::{Mutex, MutexGuard, PoisonError},
};

const ENV: &str = "export \"$1\"; shift; \"$@\"";
const SUDO: &str = "echo sudo >> \"${0%/*}/calls\"; \"$@\"";
/// Installs, into the folder it is in.
const APT: &str = "\
echo \"apt-get $* as $DEBIAN_FRONTEND\" >> \"${0%/*}/calls\"
case $1 in install) echo 'exit 0' > \"${0%/*}/redis-server\" ;; esac";
const BROKEN_APT: &str = "echo \"apt-get $1\" >> \"${0%/*}/calls\"; exit 100";
const ROOT: &str = "echo 0";
const USER: &str = "echo 1000";

const INSTALLED: [&str; 2] = [
    "apt-get update as noninteractive",
    "apt-get install -y --no-install-recommends redis-server as noninteractive",
];

/// A machine with these programs; gone when it is dropped.
struct Machine {
    folder: PathBuf,
    /// One at a time: a process that another test starts while a script is open for writing has it open
    /// too for a moment, and until then the script cannot be run (`ETXTBSY`).
    _turn: MutexGuard<'static, ()>,
}

impl Machine {
    fn of(name: &str, programs: &[(&str, &str)]) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = env::temp_dir().join(format!("xtask-{}-{name}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let cargo = ("cargo", "echo \"cargo $1\" >> \"${0%/*}/calls\"");
        for (name, body) in programs.iter().chain([&cargo]) {
            write_script(&folder.join(name), body);
        }
        Self {
            folder,
            _turn: turn,
        }
    }

    /// Whether `cargo xtask <arguments>` succeeds, what was called meanwhile, and what it says.
    fn xtask(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> (bool, Vec<String>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(arguments)
            .env_remove("REDIS_SERVER_BIN")
            .env("PATH", &self.folder)
            .env("CARGO", self.folder.join("cargo"))
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        let calls = fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
        (
            output.status.success(),
            calls.lines().map(ToOwned::to_owned).collect(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn write_script(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_missing_server_is_installed_before_the_tests_run() {
    let machine = Machine::of("root", &[("apt-get", APT), ("env", ENV), ("id", ROOT)]);
    let (is_done, calls, says) = machine.xtask(&["test"], &[]);
    assert!(is_done, "{says}");
    assert_eq!(calls[..2], INSTALLED);
    assert_eq!(calls[2..], ["cargo test"; 5]);
    assert!(says.contains("`redis-server` is missing: installing it with apt-get"));

    // The second time there is nothing to do.
    let (_, calls, says) = machine.xtask(&["bench", "shared"], &[]);
    assert_eq!(calls[7..], ["cargo run"]);
    assert_eq!(says, "");
}

#[test]
fn a_user_installs_it_with_sudo() {
    let programs = [("apt-get", APT), ("env", ENV), ("id", USER), ("sudo", SUDO)];
    let machine = Machine::of("sudo", &programs);
    let (is_done, calls, says) = machine.xtask(&["test"], &[]);
    assert!(is_done, "{says}");
    assert_eq!(calls[..4], ["sudo", INSTALLED[0], "sudo", INSTALLED[1]]);
}

#[test]
fn nothing_runs_where_it_cannot_be_installed() {
    for (name, programs) in [
        ("nothing", &[][..]),
        ("user", &[("apt-get", APT), ("env", ENV), ("id", USER)]),
        (
            "broken",
            &[("apt-get", BROKEN_APT), ("env", ENV), ("id", ROOT)],
        ),
    ] {
        for task in [&["test"][..], &["bench", "shared"], &["demo"]] {
            let machine = Machine::of(name, programs);
            let (is_done, calls, says) = machine.xtask(task, &[]);
            assert!(!is_done, "{name}");
            assert!(
                !calls.iter().any(|call| call.starts_with("cargo")),
                "{calls:?}"
            );
            for way_out in ["brew install redis", "dnf install", "`REDIS_SERVER_BIN`"] {
                assert!(says.contains(way_out), "{says}");
            }
        }
    }
}

#[test]
fn a_server_that_is_named_is_enough() {
    let machine = Machine::of("named", &[("apt-get", APT), ("env", ENV), ("id", ROOT)]);
    let named = [("REDIS_SERVER_BIN", "/opt/valkey/valkey-server")];
    let (is_done, calls, says) = machine.xtask(&["test"], &named);
    assert!(is_done, "{says}");
    assert_eq!(calls, ["cargo test"; 5]);
}

#[test]
fn tasks_without_a_server_do_not_ask_for_one() {
    let machine = Machine::of("bench", &[]);
    let (is_done, calls, says) = machine.xtask(&["bench"], &[]);
    assert!(is_done, "{says}");
    assert_eq!(calls, ["cargo run"]);
}

#[test]
fn the_demo_builds_the_shop_that_it_starts() {
    let machine = Machine::of("demo", &[]);
    let named = [("REDIS_SERVER_BIN", "/opt/valkey/valkey-server")];
    let (is_done, calls, says) = machine.xtask(&["demo"], &named);
    assert!(is_done, "{says}");
    assert_eq!(calls, ["cargo build", "cargo run"]);
}

//! Sees to it that the tests find a `redis-server`: installs it where that can be done, and says what
//! to do where it cannot.

use std::{
    env,
    process::{Command, Stdio},
};

const UPDATE: &[&str] = &["update"];
const INSTALL: &[&str] = &["install", "-y", "--no-install-recommends", "redis-server"];

const ADVICE: &str = "\
install it, and run this again:
  Debian, Ubuntu   apt-get install redis-server
  Fedora           dnf install redis, or dnf install valkey
  macOS            brew install redis
or set `REDIS_SERVER_BIN` to the program to use: a `redis-server` or `valkey-server` of your own";

/// Whether the tests will find a server. It is installed if it is missing; if that fails, this says so.
pub(crate) fn is_there() -> bool {
    if env::var_os("REDIS_SERVER_BIN").is_some() || is_in_path("redis-server") {
        return true;
    }
    let Some(apt) = apt(is_in_path("apt-get"), is_root(), is_in_path("sudo")) else {
        eprintln!("`redis-server` is missing: {ADVICE}");
        return false;
    };
    eprintln!("`redis-server` is missing: installing it with apt-get");
    // Old lists name versions that are gone. But where one source of several fails, the others will do.
    if !run(apt, UPDATE) {
        eprintln!("`apt-get update` failed: trying with the lists there are");
    }
    if run(apt, INSTALL) && is_in_path("redis-server") {
        return true;
    }
    eprintln!("apt-get did not install `redis-server`: {ADVICE}");
    false
}

/// What `apt-get` and its arguments are run by; none where it cannot install anything.
fn apt(has_apt: bool, is_root: bool, has_sudo: bool) -> Option<&'static [&'static str]> {
    // By `env` in both cases, because sudo keeps no variable.
    const APT: [&str; 4] = ["sudo", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
    match (has_apt, is_root, has_sudo) {
        (true, true, _) => Some(&APT[1..]),
        (true, false, true) => Some(&APT),
        _ => None,
    }
}

fn run(command: &[&str], arguments: &[&str]) -> bool {
    let (program, rest) = command.split_first().expect("a command has a program");
    let status = Command::new(program).args(rest).args(arguments).status();
    status.is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn is_in_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_is_run_as_root_or_not_at_all() {
        for has_sudo in [false, true] {
            let as_root = apt(true, true, has_sudo).expect("root needs no sudo");
            assert_eq!(as_root.first(), Some(&"env"));
            for is_root in [false, true] {
                assert_eq!(apt(false, is_root, has_sudo), None);
            }
        }
        let through_sudo = apt(true, false, true).expect("sudo makes it root");
        assert_eq!(through_sudo.first(), Some(&"sudo"));
        assert_eq!(apt(true, false, false), None);
    }
}

//! What the server that tests are run with can do: some tests need what not every one can.

use std::{
    process::{Command, Stdio},
    sync::LazyLock,
};

use super::program;

/// The first two numbers of its version, of whatever name; nothing where it does not start.
static VERSION: LazyLock<Option<(u32, u32)>> = LazyLock::new(|| {
    let output = Command::new(program()).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (_, version) = text.split_once("v=")?;
    let mut numbers = version.split(['.', ' ']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
});

/// Lets clients do what tests need. Before 7.0 it need not be allowed, and cannot be.
pub(super) fn openness() -> &'static [&'static str] {
    match *VERSION {
        Some(version) if version < (7, 0) => &[],
        _ => &[
            "--enable-debug-command",
            "yes",
            "--enable-protected-configs",
            "yes",
        ],
    }
}

/// Whether it is recent enough for the cache to use a cluster of it. Says so where it is not.
#[must_use]
pub fn forms_clusters() -> bool {
    let is_recent = VERSION.is_none_or(|version| version >= (7, 0));
    if !is_recent {
        eprintln!("skipped: the cache needs Redis 7.0 in a cluster");
    }
    is_recent
}

/// Whether it was built with TLS. Says so where it was not.
#[must_use]
pub fn speaks_tls() -> bool {
    static SPEAKS_TLS: LazyLock<bool> = LazyLock::new(takes_a_port_for_tls);
    if !*SPEAKS_TLS {
        eprintln!("skipped: this server was built without TLS");
    }
    *SPEAKS_TLS
}

/// Without a certificate none starts, and each says why.
fn takes_a_port_for_tls() -> bool {
    let said = Command::new(program())
        .args(["--port", "0", "--tls-port", "1", "--save", ""])
        .stdin(Stdio::null())
        .output()
        .expect("the server starts");
    let said = [said.stdout, said.stderr].concat();
    String::from_utf8_lossy(&said).contains("Failed to configure TLS")
}

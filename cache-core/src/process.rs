//! What people call this process: its host and its number there. A leaf.

use std::process;

/// Of the name of a host, which has no more where it is one of a network.
const LONGEST_HOST: usize = 63;

/// `web-7f9c:4711`; the number alone where the host has no name.
pub(crate) fn name() -> String {
    let host: String = host().chars().take(LONGEST_HOST).map(plain).collect();
    let separator = if host.is_empty() { "" } else { ":" };
    format!("{host}{separator}{}", process::id())
}

/// A word, whatever it is.
fn plain(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') {
        c
    } else {
        '-'
    }
}

#[cfg(target_os = "linux")]
fn host() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

#[cfg(not(target_os = "linux"))]
fn host() -> String {
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_one_word_that_ends_in_its_number() {
        let name = name();
        assert!(name.ends_with(&process::id().to_string()), "{name}");
        assert!(
            !name.contains([' ', '\n', ',']) && name.len() < 80,
            "{name}"
        );
        assert_eq!(
            "a b\n\u{1b}ü".chars().map(plain).collect::<String>(),
            "a-b---"
        );
    }
}

//! The tests on real servers, on a machine that does other things too: a server that is starved of time for a second looks
//! like one that is gone. What fails among many others and then holds alone, several times in a row, is named and is no
//! failure. The simulator, whose time is its own, is given no second chance.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    thread,
};

/// The package that starts servers.
const PACKAGE: &str = "-p tests ";

/// More than these are no accident.
const FEW: usize = 3;

/// How often a test has to hold alone.
const TIMES: usize = 5;

/// What a run of tests has printed of its failures.
#[derive(Debug, Default, PartialEq)]
struct Failures {
    /// As arguments for cargo.
    targets: Vec<String>,
    tests: Vec<String>,
}

impl Failures {
    fn of(output: &[String], errors: &[String]) -> Self {
        let target = |line: &String| {
            let target = line.trim().strip_prefix('`')?.strip_suffix('`')?;
            target.starts_with("-p ").then(|| target.to_owned())
        };
        let test = |line: &String| {
            let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
            Some(name.to_owned())
        };
        Self {
            targets: errors.iter().filter_map(target).collect(),
            tests: output.iter().filter_map(test).collect(),
        }
    }

    fn may_be_accidents(&self) -> bool {
        let are_on_servers = self
            .targets
            .iter()
            .all(|target| target.starts_with(PACKAGE));
        !self.targets.is_empty() && are_on_servers && (1..=FEW).contains(&self.tests.len())
    }

    /// Whether each of them holds alone.
    fn hold(&self, cargo: &impl Fn(&[&str]) -> Command) -> bool {
        let holds = |target: &String| {
            let mut arguments = vec!["test", "--all-features"];
            arguments.extend(target.split(' '));
            arguments.extend(["--", "--test-threads", "1", "--exact"]);
            arguments.extend(self.tests.iter().map(String::as_str));
            (0..TIMES).all(|_| cargo(&arguments).status().is_ok_and(|it| it.success()))
        };
        self.targets.iter().all(holds)
    }
}

/// Runs tests with all features. False when one of them fails, and is no accident.
pub(crate) fn tests_hold(cargo: &impl Fn(&[&str]) -> Command, arguments: &[&str]) -> bool {
    let child = cargo(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            eprintln!("cargo does not start: {error}");
            return false;
        }
    };
    let output = child.stdout.take().map(|pipe| passed_on(pipe, false));
    let errors = child.stderr.take().map(|pipe| passed_on(pipe, true));
    let lines = |thread: Option<thread::JoinHandle<Vec<String>>>| {
        let lines = thread.map(thread::JoinHandle::join);
        lines.and_then(Result::ok).unwrap_or_default()
    };
    let failures = Failures::of(&lines(output), &lines(errors));
    if child.wait().is_ok_and(|status| status.success()) {
        return true;
    }
    if !failures.may_be_accidents() {
        return false;
    }
    eprintln!(
        "once more, {TIMES} times alone: {}",
        failures.tests.join(", ")
    );
    let hold = failures.hold(cargo);
    let verdict = if hold {
        "HELD ALONE, FAILED IN COMPANY"
    } else {
        "FAILED AGAIN"
    };
    eprintln!("{verdict}: {}", failures.tests.join(", "));
    hold
}

/// Prints what comes as it comes, and keeps it.
fn passed_on(
    pipe: impl Read + Send + 'static,
    is_of_errors: bool,
) -> thread::JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let mut kept = Vec::new();
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if is_of_errors {
                eprintln!("{line}");
            } else {
                println!("{line}");
            }
            kept.push(line);
        }
        kept
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(output: &[&str], errors: &[&str]) -> Failures {
        let owned = |lines: &[&str]| lines.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        Failures::of(&owned(output), &owned(errors))
    }

    #[test]
    fn failures_are_found_in_what_cargo_prints() {
        let found = failures(
            &[
                "test a_row ... ok",
                "test one::hears ... FAILED",
                "    one::hears",
            ],
            &["error: 1 target failed:", "    `-p tests --test cluster`"],
        );
        assert_eq!(found.targets, ["-p tests --test cluster"]);
        assert_eq!(found.tests, ["one::hears"]);
        assert!(found.may_be_accidents());
    }

    #[test]
    fn a_failure_without_servers_or_in_a_crowd_is_no_accident() {
        let one = "test a_row ... FAILED";
        let on_servers = "`-p tests --test cluster`";
        let elsewhere = "`-p cache-core --lib`";
        for (tests, targets) in [
            (&[one][..], &[elsewhere][..]),
            (&[one], &[on_servers, elsewhere]),
            (&[one; FEW + 1], &[on_servers]),
            // It does not even build.
            (&[], &[]),
            (&[], &[on_servers]),
        ] {
            assert!(!failures(tests, targets).may_be_accidents(), "{tests:?}");
        }
    }
}

//! What the command line says.

use std::{path::PathBuf, time::Duration};

pub(crate) const USAGE: &str = "\
cargo xtask demo           a shop of three replicas on SQLite and Redis, with the cache and without it, in one minute
    --seconds N            how long it takes; 10 is enough to see everything once
    --rate N               customers a second, for each of the two (800)
    --latency N            milliseconds that each query takes beyond what SQLite does (5)
    --connections N        connections of each replica to its database (3)
    --svg FILE             also draws what it has seen";

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) length: Duration,
    pub(crate) rate: u32,
    pub(crate) latency: Duration,
    pub(crate) connections: u32,
    pub(crate) svg: Option<PathBuf>,
    /// For how long a replica may serve what another one has changed: the default of the cache.
    pub(crate) bound: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            length: Duration::from_mins(1),
            rate: 800,
            latency: Duration::from_millis(5),
            connections: 3,
            svg: None,
            bound: Duration::from_secs(2),
        }
    }
}

impl Options {
    /// # Errors
    ///
    /// What is wrong, and what to write.
    pub(crate) fn of(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("`{name}` needs a value\n{USAGE}"))
            };
            match name.as_str() {
                "--seconds" => {
                    options.length = Duration::from_secs(number(&name, &value()?)?.into());
                }
                "--rate" => options.rate = number(&name, &value()?)?,
                "--latency" => {
                    // None at all is SQLite as it is.
                    let value = value()?;
                    let milliseconds = if value == "0" {
                        0
                    } else {
                        number(&name, &value)?
                    };
                    options.latency = Duration::from_millis(milliseconds.into());
                }
                "--connections" => options.connections = number(&name, &value()?)?,
                "--svg" => options.svg = Some(value()?.into()),
                _ => return Err(format!("unknown option `{name}`\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

fn number(name: &str, value: &str) -> Result<u32, String> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("`{name}` is a number from 1, not `{value}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<Options, String> {
        Options::of(arguments.iter().map(|it| (*it).to_owned()))
    }

    #[test]
    fn options_are_read_and_the_rest_is_refused() {
        assert_eq!(options(&[]), Ok(Options::default()));
        let short = options(&["--seconds", "10", "--latency", "0"]).unwrap();
        assert_eq!(
            (short.length, short.latency),
            (Duration::from_secs(10), Duration::ZERO)
        );
        for wrong in [
            &["--second", "10"][..],
            &["--rate"],
            &["--rate", "0"],
            &["10"],
        ] {
            assert!(options(wrong).is_err(), "{wrong:?}");
        }
    }
}

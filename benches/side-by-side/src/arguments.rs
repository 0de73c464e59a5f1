//! The command line.

/// What to run, and how long.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) scenario: Option<String>,
    /// The variant to run without measuring it.
    pub(crate) only: Option<String>,
    pub(crate) rounds: usize,
    /// Calls of a variant in one round.
    pub(crate) calls: usize,
}

impl Arguments {
    /// # Errors
    ///
    /// With a message for the user, when there is something else than options and their values.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut read = Self {
            scenario: None,
            only: None,
            rounds: 15,
            calls: 100_000,
        };
        while let Some(option) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| format!("`{option}` needs a value"))?;
            match option.as_str() {
                "--scenario" => read.scenario = Some(value),
                "--only" => read.only = Some(value),
                "--rounds" => read.rounds = number(&option, &value)?,
                "--calls" => read.calls = number(&option, &value)?,
                _ => {
                    return Err(format!(
                        "unknown option `{option}`: there are `--scenario`, `--only`, `--rounds` and `--calls`"
                    ));
                }
            }
        }
        Ok(read)
    }
}

fn number(option: &str, value: &str) -> Result<usize, String> {
    match value.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("`{option}` needs a number from 1, not `{value}`")),
    }
}

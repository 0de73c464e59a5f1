//! What members tell of themselves, a line each.

use std::fmt;

use super::{Nanos, WriteId, size::Size};

/// One line of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// All that was acknowledged and returned before is written above.
    Mark { at: Nanos },
    /// A call was served this, and should have been served values of neighbouring facts.
    Served {
        function: String,
        source: String,
        began: Nanos,
        ended: Nanos,
        first: usize,
        count: usize,
        values: Vec<u64>,
    },
    /// A mutation has returned to its caller.
    Returned { write: WriteId, at: Nanos },
    /// The caller of a mutation that had begun then has gone away.
    Dropped { write: WriteId, at: Nanos },
    /// Redis had acknowledged the events of a mutation by then.
    Acknowledged { write: WriteId, at: Nanos },
    /// A timer that should have taken no time at all took from then until then.
    Late { from: Nanos, to: Nanos },
    /// What the process held then.
    Size { at: Nanos, size: Size },
    /// A thread or a task of the process panicked, whoever caught that.
    Panicked { what: String },
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark { at } => write!(f, "mark {at}"),
            Self::Served {
                function,
                source,
                began,
                ended,
                first,
                count,
                values,
            } => {
                write!(
                    f,
                    "served {function} {source} {began} {ended} {first} {count}"
                )?;
                values.iter().try_for_each(|it| write!(f, " {it}"))
            }
            Self::Returned { write, at } => write!(f, "returned {write} {at}"),
            Self::Dropped { write, at } => write!(f, "dropped {write} {at}"),
            Self::Acknowledged { write, at } => write!(f, "acknowledged {write} {at}"),
            Self::Late { from, to } => write!(f, "late {from} {to}"),
            Self::Size { at, size } => {
                let Size {
                    kilobytes,
                    files,
                    tasks,
                } = size;
                write!(f, "size {at} {kilobytes} {files} {tasks}")
            }
            Self::Panicked { what } => write!(f, "panicked {}", what.replace('\n', " | ")),
        }
    }
}

impl Line {
    /// Nothing for what is no line, such as one that broke off.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (kind, rest) = line.split_once(' ')?;
        if kind == "panicked" {
            let what = rest.to_owned();
            return Some(Self::Panicked { what });
        }
        let mut words = rest.split(' ');
        if kind == "served" {
            let (function, source) = (words.next()?.to_owned(), words.next()?.to_owned());
            return Some(Self::Served {
                function,
                source,
                began: words.next()?.parse().ok()?,
                ended: words.next()?.parse().ok()?,
                first: words.next()?.parse().ok()?,
                count: words.next()?.parse().ok()?,
                values: words.map(|it| it.parse().ok()).collect::<Option<_>>()?,
            });
        }
        let mut number = || words.next()?.parse::<u64>().ok();
        let small = |number| usize::try_from(number).ok();
        let line = match (kind, number()?) {
            ("mark", at) => Self::Mark { at },
            ("returned", write) => Self::Returned {
                write,
                at: number()?,
            },
            ("dropped", write) => Self::Dropped {
                write,
                at: number()?,
            },
            ("acknowledged", write) => Self::Acknowledged {
                write,
                at: number()?,
            },
            ("late", from) => Self::Late {
                from,
                to: number()?,
            },
            ("size", at) => Self::Size {
                at,
                size: Size {
                    kilobytes: number()?,
                    files: small(number()?)?,
                    tasks: small(number()?)?,
                },
            },
            _ => return None,
        };
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_went() {
        let served = Line::Served {
            function: "shelf".to_owned(),
            source: "-".to_owned(),
            began: 5,
            ended: 6,
            first: 16,
            count: 2,
            values: vec![0, u64::MAX],
        };
        let (write, at) = (1 << 32, u64::MAX);
        let what = "at src/a.rs:1: no, never".to_owned();
        let size = Size {
            kilobytes: 16_000,
            files: 20,
            tasks: 30,
        };
        for line in [
            Line::Mark { at },
            served,
            Line::Returned { write, at },
            Line::Dropped { write, at },
            Line::Acknowledged { write, at },
            Line::Late { from: 1, to: 2 },
            Line::Size { at, size },
            Line::Panicked { what },
        ] {
            assert_eq!(Line::parse(&line.to_string()), Some(line));
        }
        assert_eq!(Line::parse("returned 1"), None);
    }
}

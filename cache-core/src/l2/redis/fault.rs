//! What an error of Redis means: for the caller, and for the connection it came over.

use redis::{RedisError, ServerError};

use crate::l2::StoreError;

/// The longest part of a server's error that is kept.
const MOST_WORDS: usize = 200;

/// An error as its caller sees it, and what it means for the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) error: StoreError,
    pub(super) effect: Effect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The connection is as good as before.
    None,
    /// The connection is of no use any more.
    Replace(&'static str),
    /// The server takes no writes. Another one may by now, where the address leads to whoever is primary.
    Demoted,
    /// Another node of the cluster has what was asked for, or is about to.
    Moved,
}

impl Fault {
    fn of(error: StoreError, effect: Effect) -> Self {
        Self { error, effect }
    }
}

/// The server answered, with an error.
pub(super) fn answered(error: &ServerError) -> Fault {
    use StoreError::{OtherType, ReadOnly, Refused, Unavailable};
    match error.code() {
        "OOM" | "MISCONF" | "NOREPLICAS" => Fault::of(ReadOnly(words(error)), Effect::None),
        "READONLY" => Fault::of(ReadOnly(words(error)), Effect::Demoted),
        "WRONGTYPE" => Fault::of(OtherType, Effect::None),
        "LOADING" => Fault::of(Unavailable, Effect::Replace("it is loading its data")),
        "MASTERDOWN" => Fault::of(Unavailable, Effect::Replace("it has lost its primary")),
        "NOAUTH" => Fault::of(Unavailable, Effect::Replace("it asks for a password now")),
        "MOVED" | "CLUSTERDOWN" => Fault::of(Unavailable, Effect::Moved),
        "ASK" | "TRYAGAIN" => Fault::of(StoreError::Moving, Effect::Moved),
        "BUSY" => Fault::of(Unavailable, Effect::None),
        _ => Fault::of(Refused(words(error)), Effect::None),
    }
}

/// No answer came, or none that could be read.
pub(super) fn broken(error: &RedisError) -> Fault {
    if error.kind() == redis::ErrorKind::Parse {
        let effect = Effect::Replace("it answered what is not Redis's protocol");
        return Fault::of(
            StoreError::Refused("an answer that cannot be read".into()),
            effect,
        );
    }
    Fault::of(
        StoreError::Unavailable,
        Effect::Replace("the connection broke"),
    )
}

/// A reply of another shape than the command has.
pub(super) fn odd_reply() -> StoreError {
    StoreError::Refused("a reply of another shape than the command's".into())
}

/// The server's words, less the arguments that it may quote: those may be values.
pub(super) fn words(error: &ServerError) -> String {
    let details = error.details().unwrap_or_default();
    let quoted = details.find(", with args").unwrap_or(details.len());
    let text = format!("{} {}", error.code(), &details[..quoted]);
    text.trim_end()
        .chars()
        .filter(|c| !c.is_control())
        .take(MOST_WORDS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_error(line: &str) -> ServerError {
        match redis::parse_redis_value(format!("-{line}\r\n").as_bytes()) {
            Ok(redis::Value::ServerError(error)) => error,
            other => panic!("no error: {other:?}"),
        }
    }

    #[test]
    fn a_full_server_is_read_only_and_its_connection_stays() {
        for code in ["OOM", "MISCONF", "NOREPLICAS"] {
            let fault = answered(&server_error(&format!("{code} not now")));
            assert_eq!(fault.error, StoreError::ReadOnly(format!("{code} not now")));
            assert_eq!(fault.effect, Effect::None);
        }
    }

    #[test]
    fn a_replica_is_read_only_and_may_have_a_better_successor() {
        let fault = answered(&server_error("READONLY You can't write"));
        assert_eq!(fault.effect, Effect::Demoted);
        assert!(matches!(fault.error, StoreError::ReadOnly(_)));
    }

    #[test]
    fn a_server_that_cannot_answer_yet_is_unavailable() {
        for code in ["LOADING", "MASTERDOWN", "NOAUTH"] {
            let fault = answered(&server_error(&format!("{code} wait")));
            assert_eq!(fault.error, StoreError::Unavailable);
            assert!(matches!(fault.effect, Effect::Replace(_)));
        }
    }

    #[test]
    fn what_the_server_quotes_of_a_command_is_not_kept() {
        let error =
            server_error("ERR unknown command 'SET', with args beginning with: 'k' 'hush' ");
        assert_eq!(
            answered(&error).error,
            StoreError::Refused("ERR unknown command 'SET'".into())
        );
        let error = server_error(&format!("ERR {}", "é".repeat(5_000)));
        assert_eq!(words(&error).chars().count(), MOST_WORDS);
    }
}

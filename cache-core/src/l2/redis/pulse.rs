//! What a server shows of itself at every beat: that it answers, its clock, which history of writes it has, and
//! whether it is the primary.

use std::time::Instant;

use redis::{ServerError, Value, aio::MultiplexedConnection};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    fault::words,
    handshake::{self, Failure},
    time::{Sample, read_time},
    version::field,
};
use crate::{
    clock::{Nanos, system_now},
    l2::Lineage,
};

#[derive(Clone, Copy, Debug)]
pub(super) struct Pulse {
    pub(super) sent: Nanos,
    pub(super) sample: Sample,
    pub(super) origin: Origin,
}

/// Whose history of writes a server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) lineage: Lineage,
    /// One that does not say is taken for one.
    pub(super) is_primary: bool,
    /// It was a replica before it had this history. One that only made a new one for itself, as for its first replica, was
    /// not.
    pub(super) was_replica: bool,
}

pub(super) enum PulseFault {
    Broken,
    /// It cannot answer for now, and why.
    Down(String),
    /// What it does not let us do, in its words.
    Refused(&'static str, String),
}

impl PulseFault {
    fn of(command: &'static str, error: &ServerError) -> Self {
        match handshake::explain(error) {
            Some(Failure::Unreachable(why)) => Self::Down(why),
            _ => Self::Refused(command, words(error)),
        }
    }
}

/// Asks for all of it. What the server sent before its answer has arrived before it. A member of a cluster is to be one of a
/// cluster that works, as it sees it: one that is cut off from the others is not.
pub(super) async fn feel(
    connection: &mut MultiplexedConnection,
    is_member: bool,
) -> Result<Pulse, PulseFault> {
    let mut commands = redis::pipe();
    commands.cmd("TIME").cmd("INFO").arg("replication");
    if is_member {
        commands.cmd("CLUSTER").arg("INFO");
    }
    let (sent, begun) = (system_now(), Instant::now());
    let replies = connection.send_packed_commands(&commands, 0, commands.len());
    let replies = replies.await.map_err(|_| PulseFault::Broken)?;
    let received = Instant::now();
    let down = |why: &str| Err(PulseFault::Down(why.into()));
    let [time, replication, cluster @ ..] = replies.as_slice() else {
        return down("too few answers");
    };
    for (command, reply) in [("TIME", Some(time)), ("CLUSTER INFO", cluster.first())] {
        if let Some(Value::ServerError(error)) = reply {
            return Err(PulseFault::of(command, error));
        }
    }
    if let [cluster] = cluster {
        let state = text(cluster).and_then(|text| field(text, "cluster_state"));
        if state.is_none_or(|state| state.trim() != "ok") {
            return down("the cluster is down, as this node sees it");
        }
    }
    let Some(micros) = read_time(time) else {
        return down("no time");
    };
    let sample = Sample {
        micros,
        sent: begun,
        received,
    };
    Ok(Pulse {
        sent,
        sample,
        origin: text(replication).map_or(Origin::UNKNOWN, Origin::read),
    })
}

/// The text of a reply to `INFO`.
pub(super) fn text(reply: &Value) -> Option<&str> {
    match reply {
        Value::BulkString(bytes) => str::from_utf8(bytes).ok(),
        Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

impl Origin {
    const UNKNOWN: Self = Self {
        lineage: Lineage::UNKNOWN,
        is_primary: true,
        was_replica: false,
    };

    /// From the text of `INFO replication`.
    pub(super) fn read(text: &str) -> Self {
        let replid = field(text, "master_replid").map(str::trim);
        let lineage = replid.filter(|replid| !replid.is_empty());
        Self {
            lineage: lineage.map_or(Lineage::UNKNOWN, |replid| {
                Lineage(xxh3_64(replid.as_bytes()).max(1))
            }),
            is_primary: field(text, "role").is_none_or(|role| role.trim() == "master"),
            was_replica: field(text, "master_replid2")
                .is_some_and(|former| former.trim().bytes().any(|digit| digit != b'0')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lineage_is_that_of_the_replication_id() {
        let read = |replid: &str| {
            let text = format!("# Replication\r\nrole:master\r\nmaster_replid:{replid}\r\nx:y");
            Origin::read(&text)
        };
        assert_eq!(read("a1"), read("a1"));
        assert_ne!(read("a1").lineage, read("a2").lineage);
        assert_ne!(read("a1").lineage, Lineage::UNKNOWN);
        assert!(read("a1").is_primary);
    }

    #[test]
    fn a_server_that_does_not_tell_has_no_lineage_and_is_taken_for_a_primary() {
        for text in ["", "role", "master_replid:\r\n", "redis_version:7.2.0\r\n"] {
            assert_eq!(Origin::read(text), Origin::UNKNOWN, "{text}");
        }
    }

    #[test]
    fn a_primary_that_was_a_replica_knows_of_the_history_before() {
        let read = |former: &str| {
            Origin::read(&format!(
                "role:master\r\nmaster_replid:a1\r\nmaster_replid2:{former}\r\n"
            ))
        };
        assert!(read("b2").was_replica);
        assert!(!read("0000000000").was_replica && !read("").was_replica);
    }

    #[test]
    fn a_replica_is_none() {
        let origin = Origin::read("role:slave\r\nmaster_replid:a1\r\n");
        assert!(!origin.is_primary);
        assert_ne!(origin.lineage, Lineage::UNKNOWN);
    }
}

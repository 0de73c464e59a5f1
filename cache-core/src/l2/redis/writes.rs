//! Writes: those of one call as one pipeline, in their order, with an answer for each.

use std::{sync::Arc, time::Duration};

use redis::{Pipeline, Value};
use tokio::runtime::Handle;

use super::{LARGE, fault, link::Link};
use crate::{
    clock::{Nanos, system_now},
    l2::{FREE_FOR, Holder, Message, NOBODY, StoreError, Write},
};

/// The link for what is large: the second one where it is up, so that small values do not wait behind
/// large ones, and to the same server, so that a large value is changed and asked about where all others are. It is made
/// at first need.
pub(super) fn large_link<'a>(
    data: &'a Arc<Link>,
    bulk: &'a Arc<Link>,
    runtime: &Handle,
    now: Nanos,
) -> &'a Arc<Link> {
    bulk.attend(runtime, now);
    let (Some(large), Some(small)) = (bulk.live(), data.live()) else {
        return data;
    };
    if large.lineage() == small.lineage() {
        return bulk;
    }
    bulk.follow(small.lineage(), now);
    data.follow(large.lineage(), now);
    data
}

pub(super) async fn write(
    data: &Arc<Link>,
    bulk: &Arc<Link>,
    writes: Vec<Write>,
    within: Duration,
) -> Vec<Result<(), StoreError>> {
    let count = writes.len();
    let all = |error: &StoreError| vec![Err(error.clone()); count];
    let Ok(runtime) = Handle::try_current() else {
        return all(&StoreError::Unavailable);
    };
    let now = system_now();
    data.attend(&runtime, now);
    let link = if writes.iter().any(is_large) {
        large_link(data, bulk, &runtime, now)
    } else {
        data
    };
    let Some(live) = link.live() else {
        return all(&StoreError::Unavailable);
    };
    if count == 0 {
        return Vec::new();
    }
    let commands = pipeline(&writes, data.address.cluster().is_some());
    drop(writes);
    match link.ask_all(&live, &commands, within).await {
        Ok(replies) if replies.len() == count => {
            let judged = replies.into_iter().map(|reply| match reply {
                Value::Okay | Value::Int(_) => Ok(()),
                // Only a claim says nothing.
                Value::Nil => Err(StoreError::Taken),
                Value::ServerError(error) => Err(link.blame(&live, fault::answered(&error))),
                _ => Err(fault::odd_reply()),
            });
            judged.collect()
        }
        Ok(_) => all(&fault::odd_reply()),
        Err(error) => all(&error),
    }
}

/// Takes a key that is free; one that is nobody's stays so.
const CLAIM: &str = include_str!("writes/claim.lua");

/// Deletes a key whose value is that of the holder, or leaves it to nobody.
const RELEASE: &str = include_str!("writes/release.lua");

/// A script that is sent whole: it is rare and short, and in a pipeline nobody can ask again by its text.
fn evaluated<'a>(
    commands: &'a mut Pipeline,
    script: &str,
    key: &str,
    holder: Holder,
) -> &'a mut Pipeline {
    let script = commands.cmd("EVAL").arg(script).arg(1);
    script.arg(key).arg(holder)
}

fn is_large(write: &Write) -> bool {
    matches!(write, Write::Set { bytes, .. } if bytes.len() >= LARGE)
}

fn pipeline(writes: &[Write], is_of_cluster: bool) -> Pipeline {
    let publish = if is_of_cluster { "SPUBLISH" } else { "PUBLISH" };
    let mut commands = Pipeline::with_capacity(writes.len());
    for write in writes {
        match write {
            Write::Set {
                key,
                bytes,
                milliseconds,
            } => {
                let life = possible(*milliseconds);
                commands.cmd("SET").arg(key).arg(bytes).arg("PX").arg(life)
            }
            Write::Delete { key } => commands.cmd("UNLINK").arg(key),
            Write::Claim {
                key,
                holder,
                milliseconds,
            } => {
                let script = evaluated(&mut commands, CLAIM, key, *holder);
                script.arg(NOBODY).arg(possible(*milliseconds))
            }
            Write::Release {
                key,
                holder,
                to_all,
            } => {
                let script = evaluated(&mut commands, RELEASE, key, *holder);
                let life = if *to_all { FREE_FOR } else { 0 };
                script.arg(NOBODY).arg(life)
            }
            Write::Tell(Message { channel, text }) => {
                commands.cmd(publish).arg(&**channel).arg(&**text)
            }
        };
    }
    commands
}

/// A thousand years, in milliseconds: what Redis adds to its clock must stay below 2^63.
const LONGEST_LIFE: u64 = 1_000 * 366 * 24 * 3_600 * 1_000;

/// Redis takes no life of zero, nor one past the end of its clock.
fn possible(milliseconds: u64) -> u64 {
    milliseconds.clamp(1, LONGEST_LIFE)
}

/// A life as Redis takes it.
pub(super) fn milliseconds(life: Duration) -> u64 {
    possible(u64::try_from(life.as_millis()).unwrap_or(u64::MAX))
}

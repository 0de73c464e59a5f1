//! Tags and their versions: read beside an entry, ensured, bumped and marked. What changes several things at once
//! is a script.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use redis::{Cmd, Value};
use tokio::runtime::Handle;

use super::{
    fault,
    link::{Link, Stamped},
    reads::{Answer, Found, Keys, Reads},
    writes::milliseconds,
};
use crate::{
    clock::system_now,
    l2::{
        AskedTogether, Batch, ReadRequest, StoreError, TAG_LIFE, Tagged, TaggedTogether, Version,
        Versions,
    },
};

struct Script {
    text: Cow<'static, str>,
    /// What the server knows it by.
    hash: String,
}

/// A script that publishes, as a server takes it and as a member of a cluster does.
struct Publishing {
    plain: Script,
    sharded: Script,
}

macro_rules! text {
    ($($file:literal),*) => {
        concat!($(include_str!($file)),*)
    };
}

impl Script {
    fn new(text: impl Into<Cow<'static, str>>) -> Self {
        let text = text.into();
        let hash = redis::Script::new(&text).get_hash().into();
        Self { text, hash }
    }
}

impl Publishing {
    fn new(text: &'static str) -> Self {
        Self {
            plain: Script::new(text),
            sharded: Script::new(text.replace("'PUBLISH'", "'SPUBLISH'")),
        }
    }

    fn at(&self, link: &Link) -> &Script {
        match link.address.cluster() {
            None => &self.plain,
            Some(_) => &self.sharded,
        }
    }
}

static ENSURE: LazyLock<Script> =
    LazyLock::new(|| Script::new(text!("tags/prelude.lua", "tags/ensure.lua")));
static BUMP: LazyLock<Publishing> =
    LazyLock::new(|| Publishing::new(text!("tags/quick.lua", "tags/prelude.lua", "tags/bump.lua")));
static MARK: LazyLock<Publishing> =
    LazyLock::new(|| Publishing::new(text!("tags/prelude.lua", "tags/mark.lua")));

/// Reads an entry and its tags over one connection: only then do they belong together.
pub(super) async fn get(
    reads: &Arc<Reads>,
    asked: ReadRequest<'_>,
    within: Duration,
) -> Result<Tagged, StoreError> {
    let keys = asked.entry.into_iter().chain(asked.tags.iter().copied());
    let Found {
        values,
        lineage,
        sent,
    } = reads.read(Keys::of(keys), asked.expected, within).await?;
    let mut values = values.into_iter();
    let entry = match asked.entry.and_then(|_| values.next()) {
        Some(Value::BulkString(bytes)) => Some(bytes),
        None | Some(Value::Nil) => None,
        Some(_) => return Err(fault::odd_reply()),
    };
    Ok(Tagged {
        entry,
        versions: values.map(|value| version(&value)).collect(),
        lineage,
        sent,
    })
}

/// The same for many entries, in one command.
pub(super) async fn get_together(
    reads: &Arc<Reads>,
    asked: AskedTogether<'_>,
    within: Duration,
) -> Result<TaggedTogether, StoreError> {
    let keys = Keys::of(asked.entries.iter().chain(asked.tags).copied());
    let Found {
        values,
        lineage,
        sent,
    } = reads.read(keys, asked.expected, within).await?;
    let mut values = values.into_iter();
    let entries = values
        .by_ref()
        .take(asked.entries.len())
        .map(|value| match value {
            Value::BulkString(bytes) => Ok(Some(bytes)),
            // Where its slot is being moved, it may be elsewhere.
            Value::Nil | Value::ServerError(_) => Ok(None),
            _ => Err(fault::odd_reply()),
        });
    let entries = entries.collect::<Result<_, _>>()?;
    let versions = values.map(|value| match value {
        // A tag that is not there any more may have a version, or a mark, where its slot is going.
        Value::ServerError(_) => Err(StoreError::Moving),
        value => Ok(version(&value)),
    });
    Ok(TaggedTogether {
        entries,
        versions: versions.collect::<Result<_, _>>()?,
        lineage,
        sent,
    })
}

/// Joins the batched ensures where `life` is the usual [`TAG_LIFE`]; runs alone otherwise.
pub(super) async fn ensure(
    ensures: &Arc<Reads>,
    link: &Arc<Link>,
    tags: &[&str],
    life: Duration,
    within: Duration,
) -> Result<Tagged, StoreError> {
    let found = if life == TAG_LIFE {
        let keys = Keys::of(tags.iter().copied());
        ensures.read(keys, 0, within).await
    } else {
        ensure_now(link, tags, life, within).await
    };
    found.map(|found| tagged(&found))
}

pub(super) async fn ensure_now(
    link: &Arc<Link>,
    tags: &[&str],
    life: Duration,
    within: Duration,
) -> Answer {
    let life = milliseconds(life);
    run(link, &ENSURE, (tags, As::Owner), within, |command| {
        command.arg(life);
    })
    .await
}

/// What becomes of tags whose source changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Bump,
    Mark,
}

/// As whom a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum As {
    /// The one that has the tags.
    Owner,
    /// The one that is about to get their slot, of those that are not at its owner.
    Importer,
}

pub(super) async fn change(
    link: &Arc<Link>,
    change: Change,
    batch: &Batch,
    asked_as: As,
    within: Duration,
) -> Result<Tagged, StoreError> {
    let script = match change {
        Change::Bump => BUMP.at(link),
        Change::Mark => MARK.at(link),
    };
    let keys: Vec<&str> = batch.bumps.iter().map(|bump| &*bump.key).collect();
    run(link, script, (&keys, asked_as), within, |command| {
        command.arg(&*batch.channel).arg(&*batch.tail);
        for bump in &batch.bumps {
            command.arg(&*bump.name).arg(milliseconds(bump.life));
            command.arg(bump.nonces.join(","));
        }
    })
    .await
    .map(|found| tagged(&found))
}

/// What a script gave for tags.
fn tagged(found: &Found) -> Tagged {
    Tagged {
        entry: None,
        versions: found.values.iter().map(version).collect::<Versions>(),
        lineage: found.lineage,
        sent: found.sent,
    }
}

/// Runs a script that gives something for each of its keys.
async fn run(
    link: &Arc<Link>,
    script: &Script,
    (keys, asked_as): (&[&str], As),
    within: Duration,
    arguments: impl Fn(&mut Cmd),
) -> Answer {
    let runtime = Handle::try_current().map_err(|_| StoreError::Unavailable)?;
    link.attend(&runtime, system_now());
    let live = link.live().ok_or(StoreError::Unavailable)?;
    let command = |name: &str, script: &str| {
        let mut command = redis::cmd(name);
        command.arg(script).arg(keys.len()).arg(keys);
        arguments(&mut command);
        command
    };
    let begun = Instant::now();
    let ask = async |command: &Cmd, within| match asked_as {
        As::Owner => link.ask_raw(&live, command, within).await,
        As::Importer => link.ask_importer(&live, command, within).await,
    };
    let mut answer = ask(&command("EVALSHA", &script.hash), within).await?;
    if is_unknown(&answer.value) {
        // After a restart, a failover or `SCRIPT FLUSH`. This makes it known again.
        let left = within.saturating_sub(begun.elapsed());
        let command = command("EVAL", &script.text);
        answer = ask(&command, left).await?;
    }
    let Stamped {
        value,
        lineage,
        sent,
    } = link.accept(&live, answer)?;
    match value {
        Value::Array(values) if values.len() == keys.len() => Ok(Found {
            values: values.into(),
            lineage,
            sent,
        }),
        _ => Err(fault::odd_reply()),
    }
}

fn is_unknown(value: &Value) -> bool {
    matches!(value, Value::ServerError(error) if error.code() == "NOSCRIPT")
}

fn version(value: &Value) -> Version {
    match value {
        Value::BulkString(bytes) => Version::read(bytes),
        _ => Version::Missing,
    }
}

//! A server that is like Redis: commands one after the other, keys that expire by its own clock, a replica that lags
//! behind by the end of the log.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
};

use super::random::Random;
use crate::{
    clock::Nanos,
    coherence::{MARKED, Version},
    l2::{Batch, StoreError, Versions, Write},
};

/// What a connection asks.
pub(super) enum Command {
    /// `ROLE` and `INFO`; on a connection that listens, a `PING` before it.
    Beat,
    Subscribe,
    Get(String),
    Read {
        entry: Option<String>,
        tags: Vec<String>,
    },
    /// Several entries, and the tags of all of them.
    ReadAll {
        entries: Vec<String>,
        tags: Vec<String>,
    },
    Ensure {
        tags: Vec<String>,
        life: u64,
    },
    Bump(Batch),
    Mark(Batch),
    Write(Vec<Write>),
}

#[derive(Clone, Debug)]
pub(super) enum Answer {
    Beat {
        lineage: u64,
        is_master: bool,
        was_replica: bool,
        time: u64,
    },
    Subscribed,
    Bytes(Option<Vec<u8>>),
    Tagged {
        entry: Option<Vec<u8>>,
        versions: Versions,
    },
    All {
        entries: Vec<Option<Vec<u8>>>,
        versions: Versions,
    },
    Written(Vec<Result<(), StoreError>>),
    Refused(StoreError),
}

#[derive(Clone, Debug)]
struct Item {
    bytes: Vec<u8>,
    /// On the server's clock.
    expires: u64,
}

type Items = BTreeMap<String, Item>;

#[derive(Debug)]
struct Logged {
    at: Nanos,
    key: String,
    item: Option<Item>,
}

/// What one command did besides its answer.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) published: Option<Vec<u8>>,
    /// What is published announces changes, and is none.
    pub(super) is_announcement: bool,
}

#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fault of its own, and any of them may come together"
)]
pub(super) struct Server {
    items: Items,
    replica: Items,
    log: VecDeque<Logged>,
    pub(super) lineage: u64,
    pub(super) is_master: bool,
    /// Before it had this lineage.
    was_replica: bool,
    pub(super) is_up: bool,
    pub(super) is_full: bool,
    /// Until when its event loop hangs.
    pub(super) hangs_until: Nanos,
    pub(super) is_turn_due: bool,
    pub(super) inbox: Vec<(u64, u64, Command)>,
}

/// What a replica may lag behind at most.
const MOST_LAG: Nanos = 3_000_000_000;

impl Server {
    pub(super) fn new(lineage: u64) -> Self {
        Self {
            lineage,
            is_master: true,
            was_replica: false,
            is_up: true,
            ..Self::default()
        }
    }

    /// The replica that has all but what was written within `lag`, promoted.
    pub(super) fn promote(&mut self, lag: Nanos, now: Nanos, lineage: u64) -> Self {
        let oldest = now.saturating_sub(lag);
        self.replicate_until(oldest);
        Self {
            items: self.replica.clone(),
            replica: self.replica.clone(),
            ..Self::new(lineage)
        }
    }

    /// Has a lineage of its own, as for its first replica.
    pub(super) fn rename(&mut self, lineage: u64) {
        self.lineage = lineage;
        self.was_replica = false;
    }

    /// Becomes a replica of `other`.
    pub(super) fn follow(&mut self, other: &Self) {
        self.items.clone_from(&other.items);
        self.lineage = other.lineage;
        self.is_master = false;
    }

    /// What it was a moment ago on its replica takes its place, under its own connections.
    pub(super) fn flip(&mut self, lag: Nanos, now: Nanos, lineage: u64) {
        let other = self.promote(lag, now, lineage);
        self.items = other.items;
        self.replica = other.replica;
        self.log.clear();
        self.lineage = lineage;
        self.was_replica = true;
    }

    fn replicate_until(&mut self, time: Nanos) {
        while let Some(logged) = self.log.pop_front_if(|logged| logged.at < time) {
            match logged.item {
                Some(item) => self.replica.insert(logged.key, item),
                None => self.replica.remove(&logged.key),
            };
        }
    }

    fn set(&mut self, key: &str, item: Option<Item>, now: Nanos) {
        self.replicate_until(now.saturating_sub(MOST_LAG));
        match &item {
            Some(item) => self.items.insert(key.to_owned(), item.clone()),
            None => self.items.remove(key),
        };
        self.log.push_back(Logged {
            at: now,
            key: key.to_owned(),
            item,
        });
    }

    pub(super) fn clear(&mut self, now: Nanos) {
        for key in std::mem::take(&mut self.items).into_keys() {
            self.set(&key, None, now);
        }
    }

    /// Evicts one key whose name contains `kind`.
    pub(super) fn evict(&mut self, kind: &str, random: &mut Random, now: Nanos) {
        let keys: Vec<_> = self.items.keys().filter(|key| key.contains(kind)).collect();
        if !keys.is_empty() {
            let key = keys[random.index(keys.len())].clone();
            self.set(&key, None, now);
        }
    }

    fn get(&self, key: &str, time: u64) -> Option<&Item> {
        self.items.get(key).filter(|item| time < item.expires)
    }

    fn version(&self, key: &str, time: u64) -> Version {
        self.get(key, time)
            .map_or(Version::Missing, |item| Version::read(&item.bytes))
    }

    fn versions(&self, tags: &[String], time: u64) -> Versions {
        tags.iter().map(|tag| self.version(tag, time)).collect()
    }

    /// Runs one command at `time` on its clock.
    pub(super) fn run(&mut self, command: Command, time: u64, now: Nanos) -> (Answer, Effects) {
        let mut effects = Effects::default();
        let answer = match command {
            Command::Beat => Answer::Beat {
                lineage: self.lineage,
                is_master: self.is_master,
                was_replica: self.was_replica,
                time,
            },
            Command::Subscribe => Answer::Subscribed,
            Command::Get(key) => Answer::Bytes(self.get(&key, time).map(|item| item.bytes.clone())),
            Command::Read { entry, tags } => Answer::Tagged {
                entry: entry.and_then(|key| Some(self.get(&key, time)?.bytes.clone())),
                versions: self.versions(&tags, time),
            },
            Command::ReadAll { entries, tags } => {
                let entries = entries.iter();
                let bytes = |key: &String| Some(self.get(key, time)?.bytes.clone());
                Answer::All {
                    entries: entries.map(bytes).collect(),
                    versions: self.versions(&tags, time),
                }
            }
            _ if !self.is_master => Answer::Refused(StoreError::ReadOnly("a replica".into())),
            Command::Ensure { .. } | Command::Mark(_) if self.is_full => {
                Answer::Refused(StoreError::ReadOnly("full".into()))
            }
            Command::Ensure { tags, life } => self.ensure(&tags, life, time, now),
            Command::Bump(batch) => {
                let (answer, done) = self.bump(&batch, time, now);
                effects = done;
                answer
            }
            Command::Mark(batch) => {
                let (answer, done) = self.mark(&batch, time, now);
                effects = done;
                answer
            }
            Command::Write(writes) => {
                let write = |write| self.write(write, time, now);
                Answer::Written(writes.into_iter().map(write).collect())
            }
        };
        (answer, effects)
    }

    fn ensure(&mut self, tags: &[String], life: u64, time: u64, now: Nanos) -> Answer {
        for tag in tags {
            let expires = time + life * 1_000;
            let item = match self.get(tag, time) {
                Some(item) if item.bytes.starts_with(b"!") => item.clone(),
                Some(item) => Item {
                    expires: item.expires.max(expires),
                    ..item.clone()
                },
                None => Item {
                    bytes: Version::after(None, time).to_string().into_bytes(),
                    expires,
                },
            };
            self.set(tag, Some(item), now);
        }
        Answer::Tagged {
            entry: None,
            versions: self.versions(tags, time),
        }
    }

    fn bump(&mut self, batch: &Batch, time: u64, now: Nanos) -> (Answer, Effects) {
        let mut message = String::new();
        for bump in &batch.bumps {
            let (current, mut writers, marked_until) = self.look(&bump.key, time);
            writers.retain(|writer| bump.nonces.iter().all(|nonce| **nonce != **writer));
            if !writers.is_empty() && !self.is_full {
                let bytes = mark_of(current, &writers);
                let expires = marked_until;
                self.set(&bump.key, Some(Item { bytes, expires }), now);
                let _ = writeln!(message, "{} {MARKED} {}", bump.name, batch.tail);
                continue;
            }
            let version = Version::after(current, time);
            let life = u64::try_from(bump.life.as_micros()).expect("a life is short");
            let item = (!self.is_full).then(|| Item {
                bytes: version.to_string().into_bytes(),
                expires: time + life,
            });
            self.set(&bump.key, item, now);
            let _ = writeln!(message, "{} {version} {}", bump.name, batch.tail);
        }
        let tags: Vec<_> = batch
            .bumps
            .iter()
            .map(|bump| bump.key.to_string())
            .collect();
        let answer = Answer::Tagged {
            entry: None,
            versions: self.versions(&tags, time),
        };
        let effects = Effects {
            published: Some(message.into_bytes()),
            is_announcement: false,
        };
        (answer, effects)
    }

    /// What is under a tag: its version, who marks it, and until when.
    fn look(&self, key: &str, time: u64) -> (Option<u64>, Vec<String>, u64) {
        let Some(item) = self.get(key, time) else {
            return (None, Vec::new(), 0);
        };
        let text = String::from_utf8_lossy(&item.bytes);
        let Some((version, writers)) = text.strip_prefix('!').and_then(|mark| mark.split_once(' '))
        else {
            return (text.parse().ok(), Vec::new(), 0);
        };
        let writers = writers.split(',').map(str::to_owned).collect();
        (version.parse().ok(), writers, item.expires)
    }

    fn mark(&mut self, batch: &Batch, time: u64, now: Nanos) -> (Answer, Effects) {
        let (mut message, mut versions) = (String::new(), Versions::new());
        for bump in &batch.bumps {
            let (version, mut writers, marked_until) = self.look(&bump.key, time);
            let nonce = bump.nonces.first().map(|nonce| &**nonce);
            let nonce = nonce.unwrap_or_default().to_owned();
            let was_held = writers.contains(&nonce);
            if !was_held {
                writers.push(nonce);
            }
            let _ = writeln!(message, "{} {MARKED} {}", bump.name, batch.tail);
            let life = u64::try_from(bump.life.as_micros()).expect("a life is short");
            let item = Item {
                bytes: mark_of(version, &writers),
                expires: marked_until.max(time + life),
            };
            self.set(&bump.key, Some(item), now);
            versions.push(if was_held {
                Version::Marked
            } else {
                Version::Missing
            });
        }
        let answer = Answer::Tagged {
            entry: None,
            versions,
        };
        let effects = Effects {
            published: Some(message.into_bytes()),
            is_announcement: true,
        };
        (answer, effects)
    }

    fn write(&mut self, write: Write, time: u64, now: Nanos) -> Result<(), StoreError> {
        match write {
            Write::Set { .. } if self.is_full => Err(StoreError::ReadOnly("full".into())),
            Write::Set {
                key,
                bytes,
                milliseconds,
            } => {
                let expires = time + milliseconds * 1_000;
                self.set(&key, Some(Item { bytes, expires }), now);
                Ok(())
            }
            Write::Delete { key } => {
                self.set(&key, None, now);
                Ok(())
            }
            Write::Claim { .. } => unreachable!("no simulated function has the option `fleet`"),
            Write::Tell(_) => Ok(()),
        }
    }
}

fn mark_of(version: Option<u64>, writers: &[String]) -> Vec<u8> {
    format!("!{} {}", version.unwrap_or(0), writers.join(",")).into_bytes()
}

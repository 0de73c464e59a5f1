//! A server that is like Redis: commands one after the other, keys that expire by its own clock, a replica that lags
//! behind by the end of the log.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    sync::Arc,
    time::Duration,
};

use super::{cluster::node::Node, random::Random};
use crate::{
    clock::Nanos,
    coherence::{MARKED, Version},
    l2::{Batch, FREE_FOR, Message, NOBODY, StoreError, Versions, Write},
};

/// What a connection asks.
pub(super) enum Command {
    /// `ROLE` and `INFO`; on a connection that listens, a `PING` before it.
    Beat,
    /// To these parts of the channel; where there are none, to all of it.
    Subscribe(Vec<String>),
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
    /// `CLUSTER NODES`.
    Nodes,
    /// The same of a server that is about to get the slot.
    Asking(Box<Command>),
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
    Nodes(String),
    Refused(StoreError),
}

#[derive(Clone, Debug)]
pub(super) struct Item {
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
    pub(super) published: Vec<Published>,
}

/// What is published to those who subscribed.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) channel: Arc<str>,
    pub(super) text: Vec<u8>,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Tags have changed here.
    Change,
    /// It announces changes, and is none.
    Announcement,
    /// Somebody had it published.
    Told,
}

impl Effects {
    fn of(batch: &Batch, text: String, kind: Kind) -> Self {
        let published = Published {
            channel: Arc::clone(&batch.channel),
            text: text.into_bytes(),
            kind,
        };
        Self {
            published: vec![published],
        }
    }
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
    /// Where it is part of a cluster.
    pub(super) node: Option<Node>,
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
            node: self.node.clone(),
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

    pub(super) fn set(&mut self, key: &str, item: Option<Item>, now: Nanos) {
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

    pub(super) fn get(&self, key: &str, time: u64) -> Option<&Item> {
        self.items.get(key).filter(|item| time < item.expires)
    }

    fn version(&self, key: &str, time: u64) -> Version {
        self.get(key, time)
            .map_or(Version::Missing, |item| Version::read(&item.bytes))
    }

    fn versions(&self, tags: &[String], time: u64) -> Versions {
        tags.iter().map(|tag| self.version(tag, time)).collect()
    }

    /// All keys that are there, or were until they expired.
    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.items.keys()
    }

    /// Moves one key to another server.
    pub(super) fn hand_over(&mut self, key: &str, to: &mut Self, now: Nanos) {
        if let Some(item) = self.items.get(key).cloned() {
            to.set(key, Some(item), now);
            self.set(key, None, now);
        }
    }

    /// Runs one command at `time` on its clock.
    pub(super) fn run(&mut self, command: Command, time: u64, now: Nanos) -> (Answer, Effects) {
        if let Some(error) = self.refusal(&command, time) {
            return (Answer::Refused(error), Effects::default());
        }
        self.perform(command, time, now)
    }

    fn perform(&mut self, command: Command, time: u64, now: Nanos) -> (Answer, Effects) {
        let mut effects = Effects::default();
        let answer = match command {
            Command::Beat => Answer::Beat {
                lineage: self.lineage,
                is_master: self.is_master,
                was_replica: self.was_replica,
                time,
            },
            Command::Subscribe(_) => Answer::Subscribed,
            Command::Nodes => Answer::Nodes(self.nodes()),
            Command::Asking(command) => return self.perform(*command, time, now),
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
                let published = &mut effects.published;
                let write = |write| self.write(write, published, (time, now));
                Answer::Written(writes.into_iter().map(write).collect())
            }
        };
        (answer, effects)
    }

    fn ensure(&mut self, tags: &[String], life: u64, time: u64, now: Nanos) -> Answer {
        for tag in tags {
            let found = self.look(tag, time, &[]);
            if !found.others.is_empty() {
                continue;
            }
            let expires = time + life * 1_000;
            let item = match self.get(tag, time) {
                Some(item) if found.version > 0 && !found.is_marked => Item {
                    expires: item.expires.max(expires),
                    ..item.clone()
                },
                // A dead writer may have changed what the version before its mark is of.
                _ => found.next(time, expires),
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
            let found = self.look(&bump.key, time, &bump.nonces);
            let said = if !found.others.is_empty() {
                if found.is_own && !self.is_full {
                    self.set(&bump.key, Some(found.marked()), now);
                }
                Version::Marked
            } else if self.is_full {
                self.set(&bump.key, None, now);
                Version::Missing
            } else {
                let left = self.get(&bump.key, time).map_or(0, |item| item.expires);
                let next = found.next(time, left.max(end(time, bump.life)));
                let version = Version::read(&next.bytes);
                self.set(&bump.key, Some(next), now);
                version
            };
            let said = match said {
                Version::Marked => MARKED.to_string(),
                Version::Number(version) => version.to_string(),
                Version::Missing => "0".to_owned(),
            };
            let _ = writeln!(message, "{} {said} {}", bump.name, batch.tail);
        }
        let tags = batch.bumps.iter().map(|bump| bump.key.to_string());
        let answer = Answer::Tagged {
            entry: None,
            versions: self.versions(&tags.collect::<Vec<_>>(), time),
        };
        (answer, Effects::of(batch, message, Kind::Change))
    }

    /// What is under a tag, to a writer with these nonces.
    fn look(&self, key: &str, time: u64, nonces: &[Arc<str>]) -> Found {
        let mut found = Found::default();
        let Some(item) = self.get(key, time) else {
            return found;
        };
        let text = String::from_utf8_lossy(&item.bytes);
        let Some((version, marks)) = text.strip_prefix('!').and_then(|mark| mark.split_once(' '))
        else {
            found.version = text.parse().unwrap_or(0);
            return found;
        };
        (found.version, found.is_marked) = (version.parse().unwrap_or(0), true);
        for (nonce, ends) in marks.split(',').filter_map(|mark| mark.split_once('@')) {
            let ends = ends.parse().unwrap_or(0);
            // The writer of one that has ended is dead.
            if ends * 1_000 <= time {
                continue;
            }
            if nonces.iter().any(|own| **own == *nonce) {
                found.is_own = true;
            } else {
                found.others.push((nonce.to_owned(), ends));
            }
        }
        found
    }

    fn mark(&mut self, batch: &Batch, time: u64, now: Nanos) -> (Answer, Effects) {
        let (mut message, mut versions) = (String::new(), Versions::new());
        for bump in &batch.bumps {
            let _ = writeln!(message, "{} {MARKED} {}", bump.name, batch.tail);
            let nonces = bump.nonces.get(..1).unwrap_or_default();
            let mut found = self.look(&bump.key, time, nonces);
            let ends = end(time, bump.life) / 1_000;
            let marks = nonces.iter().map(|nonce| (nonce.to_string(), ends));
            found.others.extend(marks);
            self.set(&bump.key, Some(found.marked()), now);
            versions.push(if found.is_own {
                Version::Marked
            } else {
                Version::Missing
            });
        }
        let answer = Answer::Tagged {
            entry: None,
            versions,
        };
        (answer, Effects::of(batch, message, Kind::Announcement))
    }

    fn write(
        &mut self,
        write: Write,
        published: &mut Vec<Published>,
        (time, now): (u64, Nanos),
    ) -> Result<(), StoreError> {
        self.refusal_to_write(&write, time).map_or(Ok(()), Err)?;
        match write {
            Write::Set { .. } | Write::Claim { .. } if self.is_full => {
                Err(StoreError::ReadOnly("full".into()))
            }
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
            Write::Claim { key, .. } if let Some(item) = self.get(&key, time) => {
                let is_free = item.bytes == NOBODY.to_string().into_bytes();
                is_free.then_some(()).ok_or(StoreError::Taken)
            }
            Write::Claim {
                key,
                holder,
                milliseconds,
            } => {
                let bytes = holder.to_string().into_bytes();
                let expires = time + milliseconds * 1_000;
                self.set(&key, Some(Item { bytes, expires }), now);
                Ok(())
            }
            Write::Release {
                key,
                holder,
                to_all,
            } => {
                let bytes = holder.to_string().into_bytes();
                if self.get(&key, time).is_some_and(|item| item.bytes == bytes) {
                    let left = to_all.then(|| Item {
                        bytes: NOBODY.to_string().into_bytes(),
                        expires: time + FREE_FOR * 1_000,
                    });
                    self.set(&key, left, now);
                }
                Ok(())
            }
            // On one server nobody hears of what was changed by hand, so that no run is another one for it.
            Write::Tell(_) if self.node.is_none() => Ok(()),
            Write::Tell(Message { channel, text }) => {
                let text = text.as_bytes().to_vec();
                let kind = Kind::Told;
                published.push(Published {
                    channel,
                    text,
                    kind,
                });
                Ok(())
            }
        }
    }
}

/// What is under a tag: as the scripts of the real server see it.
#[derive(Debug, Default)]
struct Found {
    /// Zero without one.
    version: u64,
    is_marked: bool,
    /// The marks of others, and when each ends, in milliseconds.
    others: Vec<(String, u64)>,
    is_own: bool,
}

impl Found {
    /// A version that was never there.
    fn next(&self, time: u64, expires: u64) -> Item {
        let version = Version::after(Some(self.version), time);
        Item {
            bytes: version.to_string().into_bytes(),
            expires,
        }
    }

    /// Marked by the others.
    fn marked(&self) -> Item {
        let marks = self.others.iter();
        let marks: Vec<_> = marks
            .map(|(nonce, ends)| format!("{nonce}@{ends}"))
            .collect();
        let last = self.others.iter().map(|(_, ends)| *ends).max();
        Item {
            bytes: format!("!{} {}", self.version, marks.join(",")).into_bytes(),
            expires: last.unwrap_or(0) * 1_000,
        }
    }
}

/// When something ends that lives for so long.
fn end(time: u64, life: Duration) -> u64 {
    time + u64::try_from(life.as_micros()).expect("a life is short")
}

//! What a stand-in for Redis holds: entries, and tags with their versions.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::{
    faults::{Faults, Operation},
    system_micros,
};
use crate::{
    coherence::MARKED,
    l2::{Batch, FREE_FOR, Holder, Lineage, NOBODY, StoreError, Version, Versions, Write},
};

#[derive(Default)]
pub(super) struct State {
    pub(super) read_faults: Faults,
    pub(super) write_faults: Faults,
    pub(super) message_faults: Faults,
    pub(super) is_full: bool,
    pub(super) held: Held,
    pub(super) reads: u64,
    pub(super) writes: u64,
    /// How often another server took over.
    failovers: u64,
    /// Two bumps may well have one microsecond, or a clock that is set back.
    last_version: u64,
}

/// All that a replica has too. Times are in microseconds since 1970.
#[derive(Clone, Default)]
pub(super) struct Held {
    /// The bytes of an entry, and when they expire.
    pub(super) entries: HashMap<String, (Vec<u8>, u64)>,
    tags: HashMap<String, Tag>,
    /// Who loads for all, and until when.
    leases: HashMap<String, (Holder, u64)>,
}

#[derive(Clone, Default)]
struct Tag {
    version: u64,
    /// Nonces of those who have marked it, and when each mark ends: the last one with the tag.
    writers: BTreeMap<String, u64>,
    expires: u64,
}

impl Tag {
    fn read(&self) -> Version {
        if self.writers.is_empty() {
            Version::Number(self.version)
        } else {
            Version::Marked
        }
    }
}

impl Held {
    pub(super) fn fresh_entries(&self, now: u64) -> impl Iterator<Item = (&String, &Vec<u8>)> {
        let entries = self.entries.iter();
        entries.filter_map(move |(key, (bytes, expires))| (now < *expires).then_some((key, bytes)))
    }

    pub(super) fn fresh_tags(&self, now: u64) -> impl Iterator<Item = &String> {
        let tags = self.tags.iter();
        tags.filter_map(move |(key, tag)| (now < tag.expires).then_some(key))
    }

    pub(super) fn entry(&self, key: &str, now: u64) -> Option<Vec<u8>> {
        let (bytes, expires) = self.entries.get(key)?;
        (now < *expires).then(|| bytes.clone())
    }

    fn tag(&self, key: &str, now: u64) -> Option<&Tag> {
        self.tags.get(key).filter(|tag| now < tag.expires)
    }

    pub(super) fn version(&self, key: &str, now: u64) -> Version {
        self.tag(key, now).map_or(Version::Missing, Tag::read)
    }
}

impl State {
    pub(super) fn faults(&mut self, operation: Operation) -> &mut Faults {
        match operation {
            Operation::Read => &mut self.read_faults,
            Operation::Write => &mut self.write_faults,
            Operation::Message => &mut self.message_faults,
        }
    }

    pub(super) fn all_faults(&mut self) -> [&mut Faults; 3] {
        [
            &mut self.read_faults,
            &mut self.write_faults,
            &mut self.message_faults,
        ]
    }

    pub(super) fn lineage(&self) -> Lineage {
        Lineage(1 + self.failovers)
    }

    pub(super) fn fail_over(&mut self, held: Held) {
        self.held = held;
        self.failovers += 1;
    }

    pub(super) fn write(&mut self, write: Write, now: u64) -> Result<(), StoreError> {
        match write {
            Write::Set {
                key,
                bytes,
                milliseconds,
            } => {
                self.check_room()?;
                let expires = now.saturating_add(milliseconds.saturating_mul(1_000));
                self.held.entries.insert(key, (bytes, expires));
            }
            Write::Delete { key } => {
                self.held.entries.remove(&key);
            }
            Write::Claim {
                key,
                holder,
                milliseconds,
            } => {
                self.check_room()?;
                let held = self.held.leases.get(&key);
                match held.filter(|(_, expires)| *expires > now) {
                    Some((NOBODY, _)) => return Ok(()),
                    Some(_) => return Err(StoreError::Taken),
                    None => {}
                }
                let expires = now.saturating_add(milliseconds.saturating_mul(1_000));
                self.held.leases.insert(key, (holder, expires));
            }
            Write::Release {
                key,
                holder,
                to_all,
            } => {
                let held = self.held.leases.remove(&key);
                let left = match held.filter(|(_, expires)| *expires > now) {
                    Some((other, _)) if other == holder => {
                        to_all.then(|| (NOBODY, now.saturating_add(FREE_FOR * 1_000)))
                    }
                    held => held,
                };
                self.held.leases.extend(left.map(|left| (key, left)));
            }
            Write::Tell(_) => {}
        }
        Ok(())
    }

    fn check_room(&self) -> Result<(), StoreError> {
        if self.is_full {
            return Err(StoreError::ReadOnly("it is full".into()));
        }
        Ok(())
    }

    pub(super) fn ensure(
        &mut self,
        tags: &[&str],
        life: Duration,
        now: u64,
    ) -> Result<Versions, StoreError> {
        let ensured = tags.iter().map(|key| {
            let mut tag = if let Some(tag) = self.held.tag(key, now) {
                tag.clone()
            } else {
                self.check_room()?;
                let version = self.next_version(0);
                Tag {
                    version,
                    ..Tag::default()
                }
            };
            if tag.writers.is_empty() {
                tag.expires = tag.expires.max(end(now, life));
            }
            let version = tag.read();
            self.held.tags.insert((*key).into(), tag);
            Ok(version)
        });
        ensured.collect()
    }

    /// Gives the versions, and what is published of them.
    pub(super) fn bump(&mut self, batch: &Batch, now: u64) -> (Versions, String) {
        let mut versions = Versions::new();
        for bump in &batch.bumps {
            let mut tag = self.held.tag(&bump.key, now).cloned().unwrap_or_default();
            tag.writers.retain(|_, ends| now < *ends);
            for nonce in &bump.nonces {
                tag.writers.remove(&**nonce);
            }
            let last = tag.writers.values().max().copied();
            if self.is_full {
                // What others have marked is a miss already, and would cease to be one.
                if last.is_none() {
                    self.held.tags.remove(&*bump.key);
                }
                versions.push(last.map_or(Version::Missing, |_| Version::Marked));
                continue;
            }
            if let Some(last) = last {
                tag.expires = last;
            } else {
                tag.version = self.next_version(tag.version);
                tag.expires = tag.expires.max(end(now, bump.life));
            }
            versions.push(tag.read());
            self.held.tags.insert(bump.key.to_string(), tag);
        }
        let message = lines(batch, &versions);
        (versions, message)
    }

    /// Gives which tags their nonces had marked before, and what is published of all.
    pub(super) fn mark(
        &mut self,
        batch: &Batch,
        now: u64,
    ) -> Result<(Versions, String), StoreError> {
        self.check_room()?;
        let mut held = Versions::new();
        for bump in &batch.bumps {
            let mut tag = self.held.tag(&bump.key, now).cloned().unwrap_or_default();
            tag.writers.retain(|_, ends| now < *ends);
            let nonce = bump.nonces.first().map(|nonce| &**nonce);
            let ends = end(now, bump.life);
            let before = tag.writers.insert(nonce.unwrap_or_default().into(), ends);
            tag.expires = tag.writers.values().max().copied().unwrap_or(now);
            self.held.tags.insert(bump.key.to_string(), tag);
            held.push(before.map_or(Version::Missing, |_| Version::Marked));
        }
        let marks: Versions = batch.bumps.iter().map(|_| Version::Marked).collect();
        let message = lines(batch, &marks);
        Ok((held, message))
    }

    /// By the system's clock, whoever moves the other one: a cache knows by that how much a server can have said since.
    fn next_version(&mut self, version: u64) -> u64 {
        let least = version.max(self.last_version) + 1;
        self.last_version = system_micros().max(least);
        self.last_version
    }
}

fn end(now: u64, life: Duration) -> u64 {
    now.saturating_add(u64::try_from(life.as_micros()).unwrap_or(u64::MAX))
}

fn lines(batch: &Batch, versions: &[Version]) -> String {
    let lines = batch.bumps.iter().enumerate().map(|(n, bump)| {
        let version = match versions.get(n) {
            Some(Version::Number(version)) => version.to_string(),
            Some(Version::Marked) => MARKED.to_owned(),
            Some(Version::Missing) | None => "0".to_owned(),
        };
        format!("{} {version} {}", bump.name, batch.tail)
    });
    lines.collect::<Vec<_>>().join("\n")
}

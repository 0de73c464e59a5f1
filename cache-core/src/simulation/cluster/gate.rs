//! What a server of a cluster refuses to do, because of the slots that it has.

use crate::{
    l2::{Batch, StoreError, Write, redis::stage::slot_of},
    simulation::{
        cluster::node::Node,
        server::{Command, Server},
    },
};

impl Server {
    /// Why a command is not run. Entries of slots that are on their way are not told apart: those are not moved here.
    pub(in crate::simulation) fn refusal(
        &self,
        command: &Command,
        time: u64,
    ) -> Option<StoreError> {
        let node = self.node.as_ref()?;
        let has_all = |keys: &[String]| keys.iter().all(|key| node.own.has(slot_of(key)));
        match command {
            Command::Beat | Command::Nodes | Command::Write(_) => None,
            Command::Subscribe(parts) => (!has_all(parts)).then_some(StoreError::Unavailable),
            Command::Get(key) => (!node.own.has(slot_of(key))).then_some(StoreError::Unavailable),
            Command::ReadAll { entries, tags } => {
                if has_all(entries) {
                    self.refusal_of(node, tags, false, time)
                } else {
                    Some(StoreError::Unavailable)
                }
            }
            Command::Read { tags, .. } | Command::Ensure { tags, .. } => {
                self.refusal_of(node, tags, false, time)
            }
            Command::Bump(batch) | Command::Mark(batch) => {
                self.refusal_of(node, &keys_of(batch), false, time)
            }
            Command::Asking(command) => match &**command {
                Command::Bump(batch) | Command::Mark(batch) => {
                    self.refusal_of(node, &keys_of(batch), true, time)
                }
                _ => unreachable!("only changes are asked of who is about to get a slot"),
            },
        }
    }

    /// Why it does nothing with keys, slot by slot.
    fn refusal_of(
        &self,
        node: &Node,
        keys: &[String],
        is_asking: bool,
        time: u64,
    ) -> Option<StoreError> {
        let is_missing = |key: &String| self.get(key, time).is_none();
        keys.iter().find_map(|key| {
            let slot = slot_of(key);
            let mut with_it = keys.iter().filter(|other| slot_of(other) == slot);
            if node.own.has(slot) {
                let is_moving = node.leaving.contains_key(&slot) && with_it.any(is_missing);
                return is_moving.then_some(StoreError::Moving);
            }
            if !is_asking || !node.arriving.contains_key(&slot) {
                return Some(StoreError::Unavailable);
            }
            // One key is looked for here and nowhere else.
            let is_part = with_it.clone().count() > 1 && with_it.any(is_missing);
            is_part.then_some(StoreError::Moving)
        })
    }

    /// The same of one write.
    pub(in crate::simulation) fn refusal_to_write(
        &self,
        write: &Write,
        time: u64,
    ) -> Option<StoreError> {
        let node = self.node.as_ref()?;
        match write {
            Write::Set { key, .. }
            | Write::Delete { key }
            | Write::Claim { key, .. }
            | Write::Release { key, .. } => {
                self.refusal_of(node, std::slice::from_ref(key), false, time)
            }
            Write::Tell(message) => {
                let is_here = node.own.has(slot_of(&message.channel));
                (!is_here).then_some(StoreError::Unavailable)
            }
        }
    }

    /// What it says to `CLUSTER NODES`.
    pub(in crate::simulation) fn nodes(&self) -> String {
        let node = self.node.as_ref();
        node.map_or_else(String::new, Node::describe)
    }
}

fn keys_of(batch: &Batch) -> Vec<String> {
    let keys = batch.bumps.iter().map(|bump| bump.key.to_string());
    keys.collect()
}

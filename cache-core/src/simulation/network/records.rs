//! What the checker is to know of what servers do.

use super::{Given, Network, load_in};
use crate::{
    clock::Nanos,
    simulation::server::{Answer, Command, Kind, Published},
};

impl Network {
    pub(super) fn record_tags(&mut self, server: usize, link: u64, command: &Command) {
        let (Command::Read { tags, .. }
        | Command::ReadAll { tags, .. }
        | Command::Ensure { tags, .. }) = command
        else {
            return;
        };
        // The answer to one that has hung until its connection was given up reaches nobody.
        let open = self.links.get(&link).filter(|link| link.is_open);
        let Some(process) = open.map(|of| of.who.process) else {
            return;
        };
        let lineage = self.servers[server].lineage;
        for tag in tags {
            self.read_under.insert((process, tag.clone()), lineage);
        }
    }

    pub(super) fn record_published(
        &mut self,
        server: usize,
        published: &Published,
        is_asking: bool,
        now: Nanos,
    ) {
        let is_change = if published.kind == Kind::Told {
            self.moves.is_told(&published.text)
        } else {
            published.kind == Kind::Change
        };
        let counts = self.is_primary_of(server, &published.channel);
        if is_change && is_asking && !counts {
            let keeps_versions = !self.servers[server].is_full;
            self.moves.is_to_be_told(&published.text, keeps_versions);
        }
        if is_change {
            self.history.bumped(&published.text, counts, now);
        }
        self.log(|| {
            format!(
                "server {server} publishes {}",
                String::from_utf8_lossy(&published.text).trim()
            )
        });
    }

    pub(super) fn record(
        &mut self,
        server: usize,
        link: u64,
        answer: &Answer,
        (asked, now): (Nanos, Nanos),
    ) {
        // What is read of a cluster is read at several moments, all of which are after it was asked for.
        let at = if self.is_cluster() { asked } else { now };
        let entries = match answer {
            Answer::Tagged { entry, .. } | Answer::Bytes(entry) => std::slice::from_ref(entry),
            Answer::All { entries, .. } => entries,
            _ => &[],
        };
        let Some(who) = self.links.get(&link).map(|of| of.who) else {
            return;
        };
        for load in entries.iter().flatten().filter_map(|entry| load_in(entry)) {
            self.given.push(Given {
                who,
                load,
                at,
                lineage: self.servers[server].lineage,
            });
        }
    }
}
